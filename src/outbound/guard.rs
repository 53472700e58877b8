//! Which addresses a request may make this server call.
//!
//! Whoever sets a webhook, or names an address in a command, chooses a URL, so it must not lead into the network of this
//! server: a metadata service, a database, a router. Each address is checked after every DNS lookup and on every
//! redirect, because a name can point anywhere and change at any time. [`Guard`] is the client's resolver, so the client
//! connects to the address that was checked.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
    sync::{Arc, LazyLock},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Ranges that are not on the public network. Of IPv6 only `2000::/3` is: what wraps an IPv4 address elsewhere is
/// [`embedded`], or not public.
const NOT_PUBLIC: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "::/3",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
    "4000::/2",
    "8000::/1",
];

static RANGES: LazyLock<Vec<Range>> =
    LazyLock::new(|| NOT_PUBLIC.iter().filter_map(|range| range.parse().ok()).collect());

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    address: IpAddr,
    prefix: u32,
}

impl Range {
    /// True if an address is in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                same_prefix(range.to_bits().into(), address.to_bits().into(), 32 - self.prefix)
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => {
                same_prefix(range.to_bits(), address.to_bits(), 128 - self.prefix)
            }
            _ => false,
        }
    }
}

fn same_prefix(one: u128, other: u128, rest: u32) -> bool {
    one.checked_shr(rest).unwrap_or_default() == other.checked_shr(rest).unwrap_or_default()
}

impl FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no range of addresses; write it like 10.0.0.0/8 or fd00::/8");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.trim().parse().map_err(|_| wrong()))?;
        if prefix > longest { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

/// Addresses that a setting allows although they are not public.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AllowPrivate {
    /// None.
    #[default]
    Nothing,
    /// Every one.
    Everything,
    /// Those in one of these ranges.
    Ranges(Vec<Range>),
}

impl FromStr for AllowPrivate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "" | "false" => Ok(Self::Nothing),
            "true" => Ok(Self::Everything),
            list => list.split(',').map(|range| range.trim().parse()).collect::<Result<_, _>>().map(Self::Ranges),
        }
    }
}

/// Allows or refuses addresses. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Guard {
    allowed: Arc<AllowPrivate>,
    /// The setting that allows more, for refusals.
    setting: &'static str,
}

impl Guard {
    /// A guard that allows these addresses besides the public ones. `setting` names where they come from.
    #[must_use]
    pub fn new(allowed: AllowPrivate, setting: &'static str) -> Self {
        Self { allowed: Arc::new(allowed), setting }
    }

    /// True if the address is allowed.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        let address = embedded(address);
        if !is_refused(address) {
            return true;
        }
        match &*self.allowed {
            AllowPrivate::Nothing => false,
            AllowPrivate::Everything => true,
            AllowPrivate::Ranges(ranges) => ranges.iter().any(|range| range.contains(address)),
        }
    }

    /// Checks a URL as far as that is possible without a DNS lookup.
    ///
    /// # Errors
    /// A sentence with the remedy.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err("Only http:// and https:// addresses are called.".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("No user or password in the address; they have fields of their own.".to_owned());
        }
        let address = match url.host() {
            None => return Err("Enter a valid URL.".to_owned()),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        if self.allows(address) { Ok(()) } else { Err(self.refusal(address)) }
    }

    fn refusal(&self, address: IpAddr) -> String {
        format!("{address} is not a public address. Whoever runs the server can allow it: {}.", self.setting)
    }
}

/// The IPv4 address inside an IPv6 address that wraps one: mapped, NAT64, 6to4 or ISATAP.
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(address) = address else { return address };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return IpAddr::V4(mapped);
    }
    let parts = address.segments();
    let of = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    match parts {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => of(high, low),
        // A private one is refused wherever the tunnel is; a public one says nothing of the rest of the address.
        [.., 0 | 0x200, 0x5efe, high, low] if is_refused(of(high, low)) => of(high, low),
        _ => IpAddr::V6(Ipv6Addr::from(parts)),
    }
}

fn is_refused(address: IpAddr) -> bool {
    RANGES.iter().any(|range| range.contains(address))
}

impl Resolve for Guard {
    /// The allowed addresses of a name.
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let first = found.first().copied();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|found| guard.allows(found.ip())).collect();
            match (allowed.is_empty(), first) {
                (true, Some(first)) => Err(guard.refusal(first.ip()).into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allowed: AllowPrivate) -> Guard {
        Guard::new(allowed, "OMS_SOME_SETTING")
    }

    fn allows(guard: &Guard, address: &str) -> bool {
        guard.allows(address.parse().expect(address))
    }

    #[test]
    fn every_range_is_one() {
        assert_eq!(RANGES.len(), NOT_PUBLIC.len());
    }

    #[test]
    fn only_public_addresses_are_let_through() {
        let guard = guard(AllowPrivate::Nothing);
        for address in [
            "127.0.0.1",
            "127.255.0.9",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:c0a8:101::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "1234::1",
            "4000::1",
            "5f00::1",
            "2a00::5efe:a00:1",
            "2a00::200:5efe:7f00:1",
        ] {
            assert!(!allows(&guard, address), "{address}");
        }
        for address in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "64:ff9b::101:101",
            "::ffff:1.1.1.1",
            "2a00::5efe:101:101",
            "2002:101:101::",
        ] {
            assert!(allows(&guard, address), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_what_is_named() {
        let guard = |text: &str| guard(text.parse().expect(text));
        assert!(allows(&guard("true"), "127.0.0.1") && allows(&guard("true"), "fe80::1"));
        assert!(!allows(&guard("false"), "10.0.0.1") && !allows(&guard(""), "10.0.0.1"));
        let some = guard("10.20.0.0/16, fd00::/8,192.168.7.9");
        for (address, wanted) in [
            ("10.20.3.4", true),
            ("::ffff:10.20.3.4", true),
            ("10.21.0.1", false),
            ("fd12::1", true),
            ("fc12::1", false),
            ("192.168.7.9", true),
            ("192.168.7.8", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(allows(&some, address), wanted, "{address}");
        }
        assert!(allows(&guard("0.0.0.0/0"), "10.0.0.1"));
        for text in ["maybe", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/8,"] {
            let refused = text.parse::<AllowPrivate>();
            assert!(refused.is_err_and(|why| why.contains("write it like")), "{text}");
        }
    }

    #[test]
    fn urls_are_checked_as_far_as_they_tell() {
        let guard = guard(AllowPrivate::Nothing);
        let check = |url: &str| guard.check(&url.parse().expect(url));
        assert_eq!(check("https://hooks.example.com/in?x=1"), Ok(()));
        assert_eq!(check("http://1.1.1.1:8080/"), Ok(()));
        for (url, why) in [
            ("ftp://example.com/", "Only http"),
            ("file:///etc/passwd", "Only http"),
            ("https://user@example.com/", "No user"),
            ("https://:word@example.com/", "No user"),
            ("http://127.1/", "127.0.0.1 is not"),
            ("http://0x7f.1/", "127.0.0.1 is not"),
            ("http://2130706433/", "127.0.0.1 is not"),
            ("http://[::ffff:10.0.0.1]/", "is not a public address"),
            ("http://[::ffff:0:10.0.0.1]/", "OMS_SOME_SETTING"),
        ] {
            assert!(check(url).is_err_and(|said| said.contains(why)), "{url}");
        }
    }
}
