//! What can be typed.

mod render;
mod share;
mod operator;

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;

pub use operator::{AuditTail, AuditVerb, AuditVerify, Block, Blockable, Unblock};
pub use render::{Proxy, Render};
pub use share::{Share, Visibility};

const EXIT_CODES: &str = "\
Exit codes:
  0 ok   1 failed   2 usage or configuration   3 not found   4 not allowed
  5 limit or conflict   7 daemon unreachable   130 interrupted
  `preview run` ends with the command's own code when that ends by itself.

With --json there is one object (one a line for streams), under the names of the API.
`preview explain CODE` says what a code means and what to do.";

// Help that is no Markdown stands here, since doc comments are Markdown.
const CONFIG_HELP: &str = "Configuration file (default: the first there is of $PREVIEW_CONFIG, \
    ~/.digitorn/config.yaml, ~/.config/preview/config.yaml, /etc/preview/config.yaml)";
const DAEMON_HELP: &str =
    "Daemon to talk to, as URL (default: this host's own); its bearer key is read from $PREVIEW_KEY";
const DOMAIN_HELP: &str = "Serve https://ID.preview.DOMAIN instead of names under localhost";
const HOST_HELP: &str = "Where it listens: 127.0.0.1, ::1, or localhost for whichever does";

/// Makes local dev servers reachable under public URLs.
#[derive(Debug, Parser)]
#[command(name = "preview", version, about, after_help = EXIT_CODES, disable_help_subcommand = true)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    /// What holds for every subcommand.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What holds for every subcommand.
#[derive(Clone, Debug, ClapArgs)]
#[command(next_help_heading = "Everywhere")]
pub struct Global {
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, help = CONFIG_HELP)]
    pub config: Option<PathBuf>,
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url, help = DAEMON_HELP)]
    pub daemon: Option<String>,
    /// Session to act in (default: local).
    #[arg(long, global = true, value_name = "ID")]
    pub session: Option<String>,
    /// User to act for (default: your login name).
    #[arg(long, global = true, value_name = "ID")]
    pub user: Option<String>,
    /// Answer in JSON.
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing beside the answer.
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Say more; twice: everything.
    #[arg(long, short, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// When to colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    pub color: Colour,
    /// Ask nothing. Nothing ever is asked; scripts may say so all the same.
    #[arg(long, global = true, hide_short_help = true)]
    pub no_input: bool,
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Start a dev server, wait until it is up, print its URL; Ctrl-C stops it.
    Run(Run),
    /// Run daemon and edge in the foreground, in one process, without root or DNS.
    Up(Up),
    /// Make a port that listens here public.
    Attach(Attach),
    /// Take attachments down, with the tasks they are tied to.
    Detach(Detach),
    /// List attachments.
    Ls(Ls),
    /// Show all that is known of one attachment.
    Show(Named),
    /// Open an attachment in the browser, with a fresh link.
    Open(Named),
    /// Print the output of the task an attachment is tied to.
    Logs(Logs),
    /// Hand out a new link; the old one works for a minute more.
    Rotate(Named),
    /// Put every browser out, close open sockets, and hand out a new link.
    Revoke(Named),
    /// Hand out a link for somebody else, list such links, withdraw one.
    Share(Share),
    /// Change who may see an attachment.
    Visibility(Visibility),
    /// Shut a user, session or host name out; --list: say who is.
    Block(Block),
    /// Let a user, session or host name in again.
    Unblock(Unblock),
    /// See who did what and who was refused, and whether that is all there was.
    Audit {
        /// What to do with the trail.
        #[command(subcommand)]
        verb: AuditVerb,
    },
    /// Say which attachment answers a URL, by which rule, or why none does.
    Route(Route),
    /// Check this host; with --daemon and --base a deployment, from anywhere.
    Doctor(Doctor),
    /// Look after certificates: what DNS needs, what is amiss, a new one now.
    Certs {
        /// What to do with them.
        #[command(subcommand)]
        verb: CertsVerb,
    },
    /// Look at the configuration.
    Config {
        /// What to do with it.
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Write a configuration for nginx, Caddy, HAProxy, Traefik, systemd or dnsmasq.
    Render(Render),
    /// Say what an error code means and what to do; without one, list them.
    Explain {
        /// The code, e.g. `port_not_listening`.
        code: Option<String>,
    },
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the manual page.
    Man {
        /// Write a page for each subcommand into this folder instead.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
}

/// `preview run`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
The command gets a free port in PORT, and in what Flask, uvicorn, Streamlit, Gradio, Jupyter and Metro read;
HOST is 127.0.0.1; {port} in its words is replaced. If it listens elsewhere, that port is attached.

Examples:
  preview run -- npm run dev
  preview run -- python3 -m http.server {port} --bind 127.0.0.1
  preview run --name shop --open -- npx vite --port {port}")]
pub struct Run {
    /// What to call the preview (default: this folder's name).
    #[arg(long, short, value_name = "NAME")]
    pub name: Option<String>,
    /// Port to give to the command (default: this folder's own of ports.allow, if it is free).
    #[arg(long, short)]
    pub port: Option<u16>,
    /// Where a viewer starts.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub path: String,
    /// Open the preview in the browser when it is up.
    #[arg(long, short)]
    pub open: bool,
    /// Print the URL as QR code.
    #[arg(long)]
    pub qr: bool,
    /// Program and arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<String>,
}

/// `preview up`.
#[derive(Debug, ClapArgs)]
pub struct Up {
    #[arg(long, value_name = "DOMAIN", value_hint = ValueHint::Hostname, help = DOMAIN_HELP)]
    pub domain: Option<String>,
}

/// `preview attach`.
#[derive(Debug, ClapArgs)]
pub struct Attach {
    /// Port that listens, or soon will.
    pub port: u16,
    /// What to call it (default: this folder's name).
    #[arg(long, short, value_name = "NAME")]
    pub name: Option<String>,
    /// Where a viewer starts.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub path: String,
    #[arg(long, default_value = "localhost", help = HOST_HELP)]
    pub host: String,
    /// Task to tie it to: they end together.
    #[arg(long, value_name = "ID")]
    pub task: Option<String>,
    /// App it belongs to.
    #[arg(long, value_name = "ID")]
    pub app: Option<String>,
    /// How long to wait until the port listens, seconds (default: attach.wait).
    #[arg(long, value_name = "SECONDS", default_value_t = 0, hide_default_value = true)]
    pub wait: u64,
    /// How requests name the host: auto asks the server which it takes.
    #[arg(long, value_name = "POLICY", default_value = "auto", value_parser = ["auto", "preserve", "loopback"])]
    pub host_header: String,
    /// Who may see it: private or public (default: visibility.default).
    #[arg(long, value_name = "WHO", value_parser = ["private", "public"], hide_possible_values = true)]
    pub visibility: Option<String>,
    /// Do not ask the server how it answers.
    #[arg(long)]
    pub no_health_check: bool,
}

/// `preview detach`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  preview detach shop              one attachment of this session
  preview detach --all             all attachments of this session
  preview detach --session s_42    end a session: its attachments and all its tasks")]
pub struct Detach {
    /// Name or id.
    #[arg(conflicts_with = "all")]
    pub name: Option<String>,
    /// All of the session.
    #[arg(long)]
    pub all: bool,
}

/// `preview ls`.
#[derive(Debug, ClapArgs)]
pub struct Ls {
    /// Keep watching.
    #[arg(long, short)]
    pub watch: bool,
}

/// An attachment by its name.
#[derive(Debug, ClapArgs)]
pub struct Named {
    /// Name or id.
    pub name: String,
}

/// `preview logs`.
#[derive(Debug, ClapArgs)]
pub struct Logs {
    /// Name or id.
    pub name: String,
    /// Go on with what is yet to come.
    #[arg(long, short)]
    pub follow: bool,
}

/// `preview route`.
#[derive(Debug, ClapArgs)]
pub struct Route {
    /// The URL, as a browser would open it.
    #[arg(value_hint = ValueHint::Url)]
    pub url: String,
}

/// `preview doctor`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
With --daemon and --base five checks run, from any machine:
  daemon.health  module.health  dns.wildcard  tls.san  edge.unused

Examples:
  preview doctor
  preview doctor --daemon https://daemon.example.com --base preview.example.com
  preview doctor --daemon https://d.test --base preview.test --resolve '*.test=127.0.0.1' --ca ca.pem")]
pub struct Doctor {
    /// Domain the previews are below: DOMAIN, DOMAIN:PORT or SCHEME://DOMAIN:PORT.
    #[arg(long, value_name = "DOMAIN", requires = "daemon")]
    pub base: Option<String>,
    /// Take this address for a name instead of asking DNS: NAME=ADDRESS, NAME may begin with `*.`.
    #[arg(long, value_name = "NAME=ADDRESS", requires = "base")]
    pub resolve: Vec<String>,
    /// Trust these certificate authorities too (PEM), for rehearsals.
    #[arg(long, value_name = "FILE", requires = "base", value_hint = ValueHint::FilePath)]
    pub ca: Option<PathBuf>,
}

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub enum CertsVerb {
    /// Say how the certificate stands: until when it is good, when it is renewed, what is in the way.
    List,
    /// Order the certificate if it is due, now and without a pause; says each step.
    Issue,
    /// Order a new certificate, even if the present one is good for long; says each step.
    Renew,
    /// Find what would keep a certificate from being had, before the authority is asked.
    Check(CertsCheck),
    /// Remove the challenge records that earlier attempts left in DNS.
    Clean,
    /// Print the DNS records to set for this configuration.
    Plan(CertsPlan),
}

/// `preview certs check`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Each check ends ok, warn or fail, with its code and what to do; any fail ends it with 1.
A trial record is written to DNS, looked for at every name server, and removed, as an order would.

Examples:
  preview certs check
  preview certs check --no-write     without the trial record")]
pub struct CertsCheck {
    /// Write no trial record.
    #[arg(long)]
    pub no_write: bool,
}

/// `preview certs plan`.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  preview certs plan
  preview certs plan --format bind --zone example.com >> example.com.zone
  preview certs plan --format form --zone example.com")]
pub struct CertsPlan {
    /// How: a table, lines of a zone file (bind), or the fields of a provider's form (form).
    #[arg(long, value_name = "FORMAT", default_value = "table", hide_possible_values = true)]
    pub format: PlanFormat,
    /// The zone that the records stand in (default: edge.acme.zone, else names are whole).
    #[arg(long, value_name = "ZONE", value_hint = ValueHint::Hostname)]
    pub zone: Option<String>,
}

/// How to print records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// In columns, with what each is for.
    Table,
    /// As lines of a zone file.
    Bind,
    /// As the fields of a provider's form.
    Form,
}

/// What to do with the configuration.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum ConfigVerb {
    /// Say whether it can be used.
    Check,
    /// Print each value and where it comes from.
    Show,
}

/// The command as clap knows it, for completions and the manual.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_tree_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn run_takes_the_words_after_the_dashes_as_they_are() {
        let args =
            Args::try_parse_from(["preview", "run", "--name", "shop", "--", "npx", "vite", "--port", "1"]);
        let Verb::Run(run) = args.expect("parses").verb else { panic!("not run") };
        assert_eq!(run.name.as_deref(), Some("shop"));
        assert_eq!(run.command, ["npx", "vite", "--port", "1"]);
    }

    #[test]
    fn run_needs_no_dashes_before_a_command_with_flags() {
        let args = Args::try_parse_from(["preview", "run", "npm", "run", "dev", "--", "--host"]);
        let Verb::Run(run) = args.expect("parses").verb else { panic!("not run") };
        assert_eq!(run.command, ["npm", "run", "dev", "--", "--host"]);
    }
}
