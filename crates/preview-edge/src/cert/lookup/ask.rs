//! One question to one server.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use hickory_net::runtime::TokioRuntimeProvider;
use hickory_net::tcp::TcpClientStream;
use hickory_net::udp::UdpClientStream;
use hickory_net::xfer::{DnsExchange, DnsHandle as _};
use hickory_net::{DnsError, NetError};
use hickory_proto::op::{DnsRequest, DnsRequestOptions, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

/// What is asked, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    /// The name, with or without its final dot.
    pub(super) name: &'a str,
    pub(super) kind: RecordType,
    /// Whether the server is to find out what it does not know.
    pub(super) recursion: bool,
    /// Whether the server is to hand out what does not validate (RFC 4035 §3.2.2).
    pub(super) checking_disabled: bool,
    /// Whether the case of the question must come back (0x20), as some authorities demand.
    pub(super) exact_case: bool,
}

/// How a question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Udp,
    Tcp,
}

/// What a server said.
#[derive(Debug)]
pub(super) struct Answer {
    message: Message,
    /// Whether it did not fit into an answer by UDP.
    pub(super) truncated: bool,
}

impl<'a> Question<'a> {
    /// For a resolver.
    pub(super) fn recursive(name: &'a str, kind: RecordType) -> Self {
        Self { name, kind, recursion: true, checking_disabled: false, exact_case: false }
    }

    /// For a server that is in charge of the name.
    pub(super) fn authoritative(name: &'a str, kind: RecordType) -> Self {
        Self { recursion: false, ..Self::recursive(name, kind) }
    }
}

impl Answer {
    pub(super) fn code(&self) -> ResponseCode {
        self.message.metadata.response_code
    }

    /// The code as other programs print it.
    pub(super) fn code_text(&self) -> String {
        match self.code() {
            ResponseCode::ServFail => "SERVFAIL".to_owned(),
            ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
            ResponseCode::Refused => "REFUSED".to_owned(),
            ResponseCode::NotAuth => "NOTAUTH".to_owned(),
            other => format!("code {}", u16::from(other)),
        }
    }

    /// Whether it says something about the name, be it that there is none.
    pub(super) fn is_usable(&self) -> bool {
        matches!(self.code(), ResponseCode::NoError | ResponseCode::NXDomain)
    }

    pub(super) fn is_authoritative(&self) -> bool {
        self.message.metadata.authoritative
    }

    /// The names and data of the answer.
    pub(super) fn answers(&self) -> impl Iterator<Item = (String, &RData)> {
        self.message.answers.iter().map(|record| (plain(&record.name), &record.data))
    }

    /// Those of the section that says who knows better.
    pub(super) fn authorities(&self) -> impl Iterator<Item = (String, &RData)> {
        self.message.authorities.iter().map(|record| (plain(&record.name), &record.data))
    }

    /// Those that come along, such as addresses of name servers.
    pub(super) fn additionals(&self) -> impl Iterator<Item = (String, &RData)> {
        self.message.additionals.iter().map(|record| (plain(&record.name), &record.data))
    }

    /// The values of the TXT records at `name`.
    pub(super) fn txt(&self, name: &str) -> Vec<String> {
        let value = |(owner, data): (String, &RData)| match data {
            RData::TXT(txt) if owner == name => {
                Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned())
            }
            _ => None,
        };
        self.answers().filter_map(value).collect()
    }
}

/// Asks by UDP, and by TCP what does not fit. An error is the reason why there is no answer.
pub(super) async fn ask(
    server: SocketAddr,
    question: Question<'_>,
    within: Duration,
) -> Result<Answer, String> {
    let first = ask_over(Over::Udp, server, question, within).await?;
    if !first.truncated {
        return Ok(first);
    }
    let whole = ask_over(Over::Tcp, server, question, within).await?;
    Ok(Answer { truncated: true, ..whole })
}

/// Asks one way only.
pub(super) async fn ask_over(
    over: Over,
    server: SocketAddr,
    question: Question<'_>,
    within: Duration,
) -> Result<Answer, String> {
    // Its tasks end with the last of its clones.
    let provider = TokioRuntimeProvider::new();
    let exchange = async {
        let its = provider.clone();
        let exchange = match over {
            Over::Udp => UdpClientStream::builder(server, its).with_timeout(Some(within)).exchange(),
            Over::Tcp => TcpClientStream::exchange(server, None, within, None, its).await?,
        };
        send(&exchange, request(question, over)?).await
    };
    let answer = tokio::time::timeout(within, exchange).await.unwrap_or(Err(NetError::Timeout));
    answer.map_err(|error| reason(over, within, &error))
}

/// A name as configuration has it: lower case, without its final dot.
pub(super) fn plain(name: &Name) -> String {
    let mut text = name.to_lowercase().to_ascii();
    if text.ends_with('.') {
        text.pop();
    }
    text
}

/// An address that a record holds.
pub(super) fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

fn request(question: Question<'_>, over: Over) -> Result<DnsRequest, NetError> {
    let mut name = Name::from_ascii(question.name)?;
    name.set_fqdn(true);
    let mut options = DnsRequestOptions::default();
    options.recursion_desired = question.recursion;
    options.case_randomization = question.exact_case && over == Over::Udp;
    let mut request = DnsRequest::from_query(Query::query(name, question.kind), options);
    request.metadata.checking_disabled = question.checking_disabled;
    Ok(request)
}

async fn send(exchange: &DnsExchange<TokioRuntimeProvider>, request: DnsRequest) -> Result<Answer, NetError> {
    let response = exchange.send(request).next().await.unwrap_or(Err(NetError::Timeout))?;
    let message = response.into_message();
    Ok(Answer { truncated: message.metadata.truncation, message })
}

fn reason(over: Over, within: Duration, error: &NetError) -> String {
    let by = match over {
        Over::Udp => "UDP",
        Over::Tcp => "TCP",
    };
    match error {
        NetError::Timeout => format!("no answer by {by} within {} s", within.as_secs_f32()),
        NetError::QueryCaseMismatch => format!("it changes the case of the question by {by}"),
        NetError::Dns(DnsError::ResponseCode(code)) => {
            format!("it answers code {} by {by}", u16::from(*code))
        }
        NetError::Io(error) => format!("by {by}: {error}"),
        other => format!("by {by}: {other}"),
    }
}
