//! `preview rotate` and `preview revoke`: new links.

use super::view;
use crate::args::Named;
use crate::context::Context;
use crate::failure::Failure;

/// A new link; whoever is in stays in.
pub(super) async fn rotate(context: &Context, args: &Named) -> Result<(), Failure> {
    let client = context.client()?;
    let found = client.find(&context.session()?, &args.name).await?;
    view::link(context.output, &client.rotate(&found.view.id).await?);
    context.output.note("the old link works for a minute more; open tabs stay open");
    Ok(())
}

/// A new link; nobody stays in.
pub(super) async fn revoke(context: &Context, args: &Named) -> Result<(), Failure> {
    let client = context.client()?;
    let found = client.find(&context.session()?, &args.name).await?;
    view::link(context.output, &client.revoke(&found.view.id).await?);
    context.output.note("every browser is out, and the old link is dead");
    Ok(())
}
