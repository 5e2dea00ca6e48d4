//! Which addresses and host names lie inside somebody's network.
//!
//! Covers what Dynamo 1.6.1 refuses (`dynamo/common/http/url_validator.py`), and more: the IPv6
//! ranges through which an IPv4 address can be reached, and one metadata service on a public
//! address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), prefix)
}

/// IPv4 ranges that are not the public Internet.
const INTERNAL_V4: [Ipv4Net; 16] = [
    v4(0, 0, 0, 0, 8),        // this host
    v4(10, 0, 0, 0, 8),       // private
    v4(100, 64, 0, 0, 10),    // carrier-grade NAT; clouds keep services there
    v4(127, 0, 0, 0, 8),      // loopback
    v4(168, 63, 129, 16, 32), // Azure's metadata and agent service, on a public address
    v4(169, 254, 0, 0, 16),   // link-local, with most clouds' metadata service
    v4(172, 16, 0, 0, 12),    // private
    v4(192, 0, 0, 0, 24),     // protocol assignments, with Oracle's metadata service
    v4(192, 0, 2, 0, 24),     // documentation
    v4(192, 88, 99, 0, 24),   // relays from 6to4
    v4(192, 168, 0, 0, 16),   // private
    v4(198, 18, 0, 0, 15),    // benchmarks
    v4(198, 51, 100, 0, 24),  // documentation
    v4(203, 0, 113, 0, 24),   // documentation
    v4(224, 0, 0, 0, 4),      // multicast
    v4(240, 0, 0, 0, 4),      // reserved, with broadcast
];

/// The only IPv6 range the public Internet has addresses from. Outside it lie loopback, IPv4-mapped,
/// unique local, link-local, site-local and multicast addresses.
const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 3);

/// What of that range is not the public Internet.
const INTERNAL_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 23),     // protocol assignments, with Teredo, which wraps IPv4
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4, which wraps IPv4
    v6(0x3fff, 0, 20),     // documentation
];

/// Where networks without IPv4 reach IPv4: the address is in the last 32 bits. Their resolvers
/// answer with such addresses for every public host, so each is judged by what it wraps.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

/// Names of services inside, whatever they resolve to.
const INTERNAL_HOSTS: [&str; 9] = [
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback",
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "kubernetes.default",
    "kubernetes.default.svc",
];

/// Whether a URL of a client must not reach this address.
pub(crate) fn is_internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_internal_v4(address),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_internal_v4(Ipv4Addr::new(a, b, c, d))
        }
        IpAddr::V6(address) => {
            !GLOBAL_V6.contains(&address) || INTERNAL_V6.iter().any(|net| net.contains(&address))
        }
    }
}

fn is_internal_v4(address: Ipv4Addr) -> bool {
    INTERNAL_V4.iter().any(|net| net.contains(&address))
}

/// Whether a URL of a client must not name this host. `host` is in lower case.
pub(crate) fn is_internal_host(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    INTERNAL_HOSTS.contains(&host) || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn internal(address: &str) -> bool {
        is_internal(address.parse().unwrap())
    }

    #[test]
    fn addresses_inside_are_internal() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:169.254.169.254",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(internal(address), "{address}");
        }
    }

    #[test]
    fn addresses_of_the_internet_are_not() {
        for address in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "168.63.129.17",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "64:ff9b::8.8.8.8",
            "2001:4860:4860::8888",
            "2606:4700:4700::1111",
            "2a00:1450::1",
        ] {
            assert!(!internal(address), "{address}");
        }
    }

    #[test]
    fn names_of_services_inside_are_internal() {
        for host in ["localhost", "localhost.", "a.localhost", "metadata.google.internal"] {
            assert!(is_internal_host(host), "{host}");
        }
        for host in ["example.com", "localhost.example.com", "notlocalhost"] {
            assert!(!is_internal_host(host), "{host}");
        }
    }
}
