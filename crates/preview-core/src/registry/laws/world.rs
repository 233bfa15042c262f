//! What the laws are held against: the registry with all its state, and steps of a story.

use super::*;

pub(super) const TEMPLATES: &[&str] = &[
    "https://preview-{port}.example.com",
    "https://{id}.example.com",
    "https://{name}-{session_id}.example.com",
];

/// A step of a story, in small numbers so that steps meet.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Attach { session: u8, user: u8, name: u8, port: u16 },
    Detach { session: u8, name: u8 },
    End { session: u8 },
    Rotate { nth: usize },
    Revoke { nth: usize },
    Share { nth: usize },
    Unshare { nth: usize, number: u32 },
    Show { nth: usize, visibility: Visibility },
    Block { kind: usize, of: u8 },
    Unblock { kind: usize, of: u8 },
}

/// The registry with all its state in one scope, and a clock that counts turns.
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) scope: Scope,
    pub(super) turn: u64,
}

impl World {
    pub(super) fn new(template: &str) -> Self {
        Self { rules: rules(template), scope: Scope::default(), turn: 0 }
    }

    pub(super) fn after(template: &str, steps: &[Step]) -> Self {
        let mut world = Self::new(template);
        for step in steps {
            let _ = world.run(step);
        }
        world
    }

    pub(super) fn run(&mut self, step: &Step) -> Result<(), Refusal> {
        self.turn += 1;
        let (command, context) = self.command(step);
        self.carry_out(&command, context.by)
    }

    pub(super) fn carry_out(&mut self, command: &Command, by: Authority) -> Result<(), Refusal> {
        for event in decide(&self.context(by), &self.scope, command)? {
            apply(&mut self.scope, &event);
        }
        Ok(())
    }

    pub(super) fn command(&self, step: &Step) -> (Command, Context) {
        let nth = |nth: usize| {
            let ids: Vec<_> = self.scope.attachments.keys().copied().collect();
            ids.get(nth % ids.len().max(1)).copied().unwrap_or_else(|| AttachmentId::from_entropy([0; 17]))
        };
        let command = match step {
            Step::Attach { session, user, name, port } => {
                Command::Attach(Box::new(attach(*session, *user, *name, *port)))
            }
            Step::Detach { session, name } => {
                Command::DetachNamed(self::session(*session), self::name(*name))
            }
            Step::End { session } => Command::EndSession(self::session(*session)),
            Step::Rotate { nth: n } => Command::Rotate(nth(*n)),
            Step::Revoke { nth: n } => Command::Revoke(nth(*n)),
            Step::Share { nth: n } => Command::Share(nth(*n), wish()),
            Step::Unshare { nth: n, number } => Command::Unshare(nth(*n), *number),
            Step::Show { nth: n, visibility } => Command::Show(nth(*n), *visibility),
            Step::Block { kind, of } => Command::Block(target(*kind, *of), Reason::default()),
            Step::Unblock { kind, of } => Command::Unblock(target(*kind, *of)),
        };
        (command, self.context(Authority::Admin))
    }

    pub(super) fn context(&self, by: Authority) -> Context {
        let mut entropy = Entropy { id: [0; 17], token: [0; 32] };
        entropy.id[..8].copy_from_slice(&self.turn.to_be_bytes());
        entropy.token[..8].copy_from_slice(&self.turn.to_be_bytes());
        let now = Now { wall: Wall::from_secs(self.turn), tick: tick(self.turn) };
        Context { rules: self.rules.clone(), by, asked: "a law".into(), now, entropy }
    }
}

pub(super) fn wish() -> Wish {
    Wish::new(Label::default(), false, Wish::DEFAULT).expect("in bounds")
}

impl Scope {
    /// Only what `reads` asks for: what a store would have loaded.
    pub(super) fn restricted_to(&self, reads: &crate::command::Reads) -> Self {
        let wanted = |it: &&Attachment| {
            reads.ids.contains(&it.id)
                || reads.sessions.contains(&it.session)
                || reads.users.contains(&it.user)
                || reads.hosts.contains(&it.url.host)
                || reads.listeners.contains(&it.listener)
        };
        let attachments = self.attachments.values().filter(wanted).map(|it| (it.id, it.clone())).collect();
        let sessions = self.sessions.iter().filter(|(session, _)| reads.sessions.contains(session));
        let wanted = |it: &&Block| reads.all_blocks || reads.blocks.contains(&it.target);
        let blocks = self.blocks.iter().filter(wanted).cloned().collect();
        Self { attachments, sessions: sessions.map(|(s, u)| (s.clone(), u.clone())).collect(), blocks }
    }
}

/// The user, the session or the host name with this number.
pub(super) fn target(kind: usize, of: u8) -> Target {
    match kind {
        0 => Target::User(user(of)),
        1 => Target::Session(session(of)),
        _ => Target::new("host", &format!("preview-300{of}.example.com")).expect("valid"),
    }
}

pub(super) fn commands() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..60)
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let attach = (0..4_u8, 0..2_u8, 0..7_u8, 3_000..3_030_u16);
    prop_oneof![
        6 => attach.prop_map(|(session, user, name, port)| Step::Attach { session, user, name, port }),
        2 => (0..4_u8, 0..7_u8).prop_map(|(session, name)| Step::Detach { session, name }),
        1 => (0..4_u8).prop_map(|session| Step::End { session }),
        1 => (0..20_usize).prop_map(|nth| Step::Rotate { nth }),
        1 => (0..20_usize).prop_map(|nth| Step::Revoke { nth }),
        1 => (0..20_usize).prop_map(|nth| Step::Share { nth }),
        1 => (0..20_usize, 0..3_u32).prop_map(|(nth, number)| Step::Unshare { nth, number }),
        1 => (0..20_usize, prop_oneof![Just(Visibility::Private), Just(Visibility::Public)])
            .prop_map(|(nth, visibility)| Step::Show { nth, visibility }),
        1 => (0..3_usize, 0..4_u8).prop_map(|(kind, of)| Step::Block { kind, of }),
        1 => (0..3_usize, 0..4_u8).prop_map(|(kind, of)| Step::Unblock { kind, of }),
    ]
}

pub(super) fn rules(template: &str) -> Rules {
    Rules {
        enabled: true,
        template: template.parse().unwrap_or_else(|error| panic!("{error}")),
        node: NodeId::new("n").expect("valid"),
        ports: PortPolicy {
            allow: "3000-9999".parse().expect("valid"),
            deny: BTreeSet::new(),
            own: BTreeSet::new(),
            tasks_outside: true,
        },
        limits: Limits { per_session: 4, per_user: 7 },
        most_visible: Visibility::Public,
    }
}

pub(super) fn attach(session: u8, user: u8, name: u8, port: u16) -> Attach {
    Attach {
        session: self::session(session),
        user: self::user(user),
        app: None,
        name: self::name(name),
        listener: Listener { address: Loopback::V4, port: Port::new(port).expect("not zero") },
        owner: Owner { uid: 1_000, inode: u64::from(port), cgroup: None, exe: None, task: None },
        task: None,
        path: StartPath::default(),
        visibility: Visibility::Private,
        host_header: HostHeader::Auto,
        verdict: Verdict::pending(HostPolicy::Loopback, PolicyReason::NotAsked),
    }
}

pub(super) fn sessions() -> impl Iterator<Item = SessionId> {
    (0..4).map(session)
}

pub(super) fn session(n: u8) -> SessionId {
    SessionId::new(&format!("s{n}")).expect("valid")
}

pub(super) fn user(n: u8) -> UserId {
    UserId::new(&format!("u{n}")).expect("valid")
}

pub(super) fn name(n: u8) -> Name {
    Name::new(&format!("n{n}")).expect("valid")
}

pub(super) fn tick(secs: u64) -> Tick {
    Tick::new(Duration::from_secs(secs))
}
