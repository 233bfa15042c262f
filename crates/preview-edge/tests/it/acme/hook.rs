//! A hook written after lego's documentation of its `exec` provider: `present|cleanup FQDN VALUE`.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::world::{World, ZONE};

/// Installs a hook that updates the world's name server, and does `before` and `after` it: shell, in which `$1` is
/// `present` or `cleanup`.
pub(crate) fn updating(world: &World, before: &str, after: &str) -> Value {
    let script = format!(
        r#"case $1 in
present) update="update add $2 1 TXT \"$3\"" ;;
cleanup) update="update delete $2 TXT \"$3\"" ;;
*) exit 64 ;;
esac
{before}
nsupdate -y {}:{}:{} <<end || exit 1
server {}
zone {ZONE}
$update
send
end
{after}
"#,
        world.key.algorithm, world.key.name, world.key.secret, world.named.address
    );
    of(world, &script)
}

/// Installs a hook of these lines; what to set below `edge.acme`.
pub(crate) fn of(world: &World, script: &str) -> Value {
    let program = write(world, script);
    json!({ "solver": "exec", "exec": { "program": program, "timeout": "10s" } })
}

fn write(world: &World, script: &str) -> PathBuf {
    let path = world.scratch.write("hook", format!("#!/bin/sh\n{script}")).expect("written");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).expect("mine");
    path
}
