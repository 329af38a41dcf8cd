//! Causes if there is no answer from STS, or STS itself cannot answer.

use super::answer::{NotAws, Unreachable};
use super::explain::{Cause, Question};
use crate::foreign::shown;

/// Something other than STS answered.
pub(super) fn not_aws(found: &NotAws, question: &Question<'_>) -> Vec<Cause> {
    let url = question.request.endpoint.url();
    if let NotAws::SomebodyElse { .. } = found {
        return vec![Cause {
            reason: "NotAws",
            what: format!("{url} is not STS, or something on the way mixes up answers"),
            tells: "the answer is about another role or subject than was asked for".to_owned(),
            next: "Take no result of this endpoint for true; ask without --endpoint, and without the proxy.".to_owned(),
        }];
    }
    let mut causes = vec![proxy(question)];
    if matches!(found, NotAws::BrokenXml(_) | NotAws::Empty(_)) {
        causes.insert(0, trouble(question));
    }
    causes
}

fn proxy(question: &Question<'_>) -> Cause {
    let url = question.request.endpoint.url();
    Cause {
        reason: "NotAws",
        what: format!("something other than AWS has answered: a proxy, a firewall or a sign-in page before {url}"),
        tells: "HTTPS_PROXY is set, or the same page appears for other addresses".to_owned(),
        next: format!(
            "curl -v {url} shows who answers; let {} pass, or put it into NO_PROXY.",
            question.request.endpoint.host()
        ),
    }
}

/// AWS has a problem.
pub(super) fn trouble(question: &Question<'_>) -> Cause {
    Cause {
        reason: "Trouble",
        what: "AWS, or the way there, has trouble".to_owned(),
        tells: "it passes; the AWS Health Dashboard may speak of it".to_owned(),
        next: question.plugin("probe"),
    }
}

/// AWS receives too many requests.
pub(super) fn busy(question: &Question<'_>) -> Cause {
    Cause {
        reason: "Throttled",
        what: format!("account {} or its region asks STS more than AWS allows", question.account()),
        tells: "it passes after some seconds".to_owned(),
        next: question.plugin("probe"),
    }
}

/// There is no answer.
pub(super) fn unavailable(why: Unreachable, question: &Question<'_>) -> Vec<Cause> {
    let endpoint = &question.request.endpoint;
    let (url, host) = (endpoint.url(), endpoint.host());
    let region = endpoint.region().map(|region| shown(region.as_str()));
    let closed = Cause {
        reason: "Unreachable",
        what: format!("the way from here to {host} is closed: a firewall, a missing VPC endpoint, or a missing proxy"),
        tells: format!("curl -v {url} does not connect either"),
        next: format!("Open the way to {host}, or set HTTPS_PROXY."),
    };
    let cause = match why {
        Unreachable::NoAddress => Cause {
            reason: "NoAddress",
            what: match &region {
                Some(region) => {
                    format!("{host} has no address: there is no region {region}, or names are not resolved")
                }
                None => format!("{host} has no address: it is spelled wrong, or names are not resolved"),
            },
            tells: "another name of the internet has an address".to_owned(),
            next: format!("Give the region of the pods: {} --region REGION", question.plugin("probe")),
        },
        Unreachable::NoTls => Cause {
            reason: "NoTls",
            what: format!("the certificate of {host} is not trusted: something on the way opens TLS connections"),
            tells: format!("curl -v {url} shows who issued the certificate"),
            next: "Set SSL_CERT_FILE to a file of the authorities to trust, that one included.".to_owned(),
        },
        Unreachable::Proxy => Cause {
            reason: "Proxy",
            what: format!("the proxy of HTTPS_PROXY cannot be reached, or refuses {host}"),
            tells: "its own log".to_owned(),
            next: format!("Let the proxy pass {host}, or put it into NO_PROXY if there is another way."),
        },
        Unreachable::TimedOut | Unreachable::NoConnection => closed,
        Unreachable::BrokenOff => return vec![trouble(question), closed],
    };
    vec![cause]
}
