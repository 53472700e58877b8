//! What is said of a request on its way: `X-Forwarded-For`, `-Host`, `-Proto` and their kind.
//!
//! Each proxy adds what it knows at the end: the address that it was reached from, the host and the scheme that it was
//! called by. What stands before the words of the trusted proxies is the client's own claim.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};

use crate::{app::App, outbound::guard::Range};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Leaves of these headers what the trusted proxies say of the client, one value each, and nothing where none is trusted:
/// behind this no route meets a claim of a client's own.
pub(super) async fn believe_proxies(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let connected = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let connected = connected.map(|ConnectInfo(address)| address.ip().to_canonical());
    if let Some(proxy) = connected.filter(|address| is_trusted(*address, &app.trusted_proxies)) {
        settle(request.headers_mut(), proxy, &app.trusted_proxies);
    } else {
        let claims: Vec<HeaderName> = request.headers().keys().filter(|name| is_claim(name)).cloned().collect();
        for name in claims {
            request.headers_mut().remove(name);
        }
    }
    next.run(request).await
}

fn is_trusted(address: IpAddr, trusted: &[Range]) -> bool {
    trusted.iter().any(|range| range.contains(address))
}

/// The standard header, and those that were there before it.
fn is_claim(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "forwarded" || name == "x-real-ip" || name.starts_with("x-forwarded")
}

/// Puts what is to be believed in the place of all that was said.
fn settle(headers: &mut HeaderMap, proxy: IpAddr, trusted: &[Range]) {
    let (client, proxies) = client(proxy, &said(headers, &FOR), trusted);
    let told = [
        (FOR, Some(client.to_string())),
        (HOST, word_of(&said(headers, &HOST), proxies)),
        (PROTO, word_of(&said(headers, &PROTO), proxies)),
    ];
    for (name, word) in told {
        match word.and_then(|word| HeaderValue::from_str(&word).ok()) {
            Some(word) => headers.insert(name, word),
            None => headers.remove(name),
        };
    }
}

/// The values of a header, in order, whether it came as one line or as several.
fn said(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|value| value.trim().to_owned()).collect()
}

/// The client's address, and the number of trusted proxies on the way. Read from the end, the first address that is no
/// trusted proxy is the client.
fn client(proxy: IpAddr, addresses: &[String], trusted: &[Range]) -> (IpAddr, usize) {
    let (mut client, mut proxies) = (proxy, 0);
    for text in addresses.iter().rev() {
        let Some(address) = address(text).filter(|_| is_trusted(client, trusted)) else { break };
        client = address;
        proxies += 1;
    }
    (client, proxies.max(1))
}

/// An address; some proxies write the port behind it.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// What the first of these proxies said, which the client called. One that says nothing of its own replaces or keeps what
/// it got, so there may be fewer words than proxies.
fn word_of(words: &[String], proxies: usize) -> Option<String> {
    words.get(words.len().saturating_sub(proxies)).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted() -> Vec<Range> {
        ["10.0.0.0/8", "::1"].iter().map(|range| range.parse().expect("a range")).collect()
    }

    #[test]
    fn every_spelling_of_a_claim_is_one() {
        for (name, expected) in [
            ("X-Forwarded-For", true),
            ("x-forwarded-HOST", true),
            ("X-Forwarded-Proto", true),
            ("X-Forwarded-Port", true),
            ("Forwarded", true),
            ("X-Real-IP", true),
            ("Host", false),
            ("X-Request-Id", false),
        ] {
            assert_eq!(is_claim(&name.parse().expect("a name")), expected, "{name}");
        }
    }

    #[test]
    fn trusted_proxies_are_believed_about_their_own_clients_alone() {
        for (said, expected, proxies) in [
            ("198.51.100.7", "198.51.100.7", 1),
            ("198.51.100.7:50123", "198.51.100.7", 1),
            ("[2001:db8::7]:443", "2001:db8::7", 1),
            ("203.0.113.9, 198.51.100.7", "198.51.100.7", 1),
            ("203.0.113.9, 198.51.100.7, 10.0.0.2", "198.51.100.7", 2),
            ("203.0.113.9,198.51.100.7,::1, 10.0.0.2", "198.51.100.7", 3),
            ("::ffff:10.0.0.3, ::1", "10.0.0.3", 2),
            ("198.51.100.7, nonsense, 10.0.0.2", "10.0.0.2", 1),
            ("nonsense", "10.0.0.1", 1),
            ("", "10.0.0.1", 1),
        ] {
            let addresses: Vec<String> = said.split(',').map(|one| one.trim().to_owned()).collect();
            let proxy = "10.0.0.1".parse().expect("an address");
            let found = client(proxy, &addresses, &trusted());
            assert_eq!(found, (expected.parse().expect("an address"), proxies), "{said}");
        }
    }

    #[test]
    fn host_and_scheme_are_those_that_the_client_called() {
        for (addresses, hosts, schemes, expected) in [
            // One proxy.
            ("198.51.100.7", &["oms.example"][..], "https", ("oms.example", "https")),
            // A client that claims, in the same line or in one of its own.
            ("1.1.1.1, 198.51.100.7", &["evil.example, oms.example"], "http, https", ("oms.example", "https")),
            ("198.51.100.7", &["evil.example", "oms.example"], "https", ("oms.example", "https")),
            // Two proxies: TLS ends at the outer one.
            ("198.51.100.7, 10.0.0.2", &["oms.example, inner"], "https, http", ("oms.example", "https")),
            ("198.51.100.7, 10.0.0.2", &["evil.example, oms.example, inner"], "https,http", ("oms.example", "https")),
            // The inner one replaces, or hands on, what the outer one said.
            ("198.51.100.7, 10.0.0.2", &["oms.example"], "https", ("oms.example", "https")),
        ] {
            let mut headers = HeaderMap::new();
            headers.append(FOR, addresses.parse().expect("a value"));
            for host in hosts {
                headers.append(HOST, host.parse().expect("a value"));
            }
            headers.append(PROTO, schemes.parse().expect("a value"));
            settle(&mut headers, "10.0.0.1".parse().expect("an address"), &trusted());
            assert!(headers[HOST] == expected.0 && headers[PROTO] == expected.1, "{addresses} {hosts:?}: {headers:?}");
            assert_eq!(headers[FOR], "198.51.100.7");
            assert_eq!(headers.len(), 3);
        }
    }
}
