//! Another maker's small service: it keeps attachments with limits, tokens and URLs through `preview-core`, in
//! memory, without our daemon. All it adds is a clock, randomness and a map.
//!
//! `cargo run -p preview-examples --bin embed_core`

#![expect(clippy::print_stdout, reason = "the program's output is its purpose")]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use preview_core::access::{AccessMode, AccessPolicy, Decision, Exempt, GivenToken, Visit};
use preview_core::attachment::{Attachment, StartPath, Visibility};
use preview_core::clock::{Now, Tick, Wall};
use preview_core::command::{Attach, Authority, Command, Context, Entropy};
use preview_core::id::{Name, NodeId, SessionId, UserId};
use preview_core::limits::Limits;
use preview_core::listener::{Listener, Loopback, Owner};
use preview_core::ports::{Port, PortPolicy};
use preview_core::refusal::Refusal;
use preview_core::registry::{Rules, Scope, apply, decide};
use preview_core::route::Route;
use preview_core::token::Token;
use preview_core::verdict::{HostHeader, HostPolicy, PolicyReason, Verdict};

fn main() -> anyhow::Result<()> {
    let mut previews =
        Previews::new("https://{id}.preview.example.com", Limits { per_session: 2, per_user: 10 })?;

    let (shop, token) = previews.attach("alice", "session-1", "shop", Port::new(5173)?)?;
    println!("attached   {} -> {}", shop.name, shop.url.origin.replace(shop.id.as_str(), "ID"));
    println!("let in     with the token: {}", previews.lets_in(&shop, "session-1", token.reveal())?);
    println!("kept out   with another:   {}", !previews.lets_in(&shop, "session-1", "a guess")?);

    let (moved, newer) = previews.attach("alice", "session-1", "shop", Port::new(5174)?)?;
    println!("moved      to port {}, same id: {}", moved.listener.port, moved.id == shop.id);
    println!(
        "in grace   the old token still works: {}",
        previews.lets_in(&moved, "session-1", token.reveal())?
    );
    println!("rotated    the new one too: {}", previews.lets_in(&moved, "session-1", newer.reveal())?);

    previews.attach("alice", "session-1", "docs", Port::new(4321)?)?;
    let refusal =
        previews.attach("alice", "session-1", "third", Port::new(3000)?).err().context("the limit is two")?;
    println!("refused    {} × {refusal}\n           hint: {}", refusal.code(), refusal.hint());
    Ok(())
}

/// All the state there is: one scope that holds everything.
struct Previews {
    rules: Rules,
    access: AccessPolicy,
    all: Scope,
    started: std::time::Instant,
}

impl Previews {
    fn new(template: &str, limits: Limits) -> anyhow::Result<Self> {
        let template: preview_core::template::UrlTemplate = template.parse()?;
        let ports = PortPolicy {
            allow: "3000-9999".parse()?,
            deny: [Port::new(5432)?].into(),
            own: [].into(),
            tasks_outside: false,
        };
        let access = AccessPolicy {
            mode: AccessMode::Token,
            app_origins: Vec::new(),
            template: template.clone(),
            grant_life: Duration::from_hours(8),
            exempt: Exempt::default(),
        };
        let node = NodeId::new("example")?;
        let rules = Rules { enabled: true, template, node, ports, limits, most_visible: Visibility::Private };
        Ok(Self { rules, access, all: Scope::default(), started: std::time::Instant::now() })
    }

    /// Attaches a port of this host; the token is handed out here and nowhere else.
    fn attach(
        &mut self,
        user: &str,
        session: &str,
        name: &str,
        port: Port,
    ) -> Result<(Attachment, Token), Refusal> {
        let attach = Attach {
            session: SessionId::new(session)?,
            user: UserId::new(user)?,
            app: None,
            name: Name::new(name)?,
            // A real service finds out who listens there; this one takes it as given.
            listener: Listener { address: Loopback::V4, port },
            owner: Owner { uid: 1_000, inode: 1, cgroup: None, exe: None, task: None },
            task: None,
            path: StartPath::default(),
            visibility: Visibility::Private,
            host_header: HostHeader::Auto,
            verdict: Verdict::pending(HostPolicy::Loopback, PolicyReason::NotAsked),
        };
        let context = self.context();
        let events = decide(&context, &self.all, &Command::Attach(Box::new(attach.clone())))?;
        for event in &events {
            apply(&mut self.all, event);
        }
        let attached =
            self.all.named(&attach.session, &attach.name).ok_or(Refusal::NotFound("attachment"))?;
        Ok((attached.clone(), context.token()))
    }

    /// Whether a browser with this link would be let in.
    fn lets_in(&self, it: &Attachment, session: &str, token: &str) -> anyhow::Result<bool> {
        let visit = Visit { token: Some(GivenToken::Query { session, token }), ..Visit::default() };
        let decision = self.access.decide(Some(&Route::to(it)), &visit, &[], |_, _| false, wall()?);
        Ok(matches!(decision, Decision::Exchange(_)))
    }

    fn context(&self) -> Context {
        let mut entropy = Entropy { id: [0; 17], token: [0; 32] };
        getrandom::fill(&mut entropy.id).expect("the kernel has randomness");
        getrandom::fill(&mut entropy.token).expect("the kernel has randomness");
        let now = Now { wall: wall().unwrap_or_default(), tick: Tick::new(self.started.elapsed()) };
        Context { rules: self.rules.clone(), by: Authority::Admin, asked: "embed_core".into(), now, entropy }
    }
}

fn wall() -> anyhow::Result<Wall> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(Wall::from_millis(u64::try_from(since.as_millis())?))
}
