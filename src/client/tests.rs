use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn proxies(networks: &[&str], header: Option<&str>) -> TrustedProxies {
    TrustedProxies::from(&config::Trust {
        proxies: networks
            .iter()
            .map(|text| match *text {
                "unix" => config::Proxy::Unix,
                network => config::Proxy::Network(network.parse().unwrap()),
            })
            .collect(),
        client_ip_header: header.map(|name| name.parse().unwrap()),
    })
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    map
}

fn concluded(trust: &TrustedProxies, peer: &str, lines: &[(&'static str, &str)]) -> Client {
    let peer = PeerAddr::from(peer.parse::<IpAddr>().unwrap());
    trust.client(peer, &headers(lines))
}

fn from(client: &Client) -> String {
    client.addr.ip().to_string()
}

#[test]
fn a_trusted_proxy_names_the_client_and_an_untrusted_peer_does_not() {
    let trust = proxies(&["10.0.0.0/8"], None);
    let said = [
        ("x-forwarded-for", "192.0.2.7"),
        ("x-forwarded-proto", "https"),
    ];
    let believed = concluded(&trust, "10.1.1.1", &said);
    assert_eq!(from(&believed), "192.0.2.7");
    assert_eq!((believed.trusted, believed.https), (true, Some(true)));
    let ignored = concluded(&trust, "11.1.1.1", &said);
    assert_eq!(from(&ignored), "11.1.1.1");
    assert_eq!((ignored.trusted, ignored.https), (false, None));
}

#[test]
fn a_unix_peer_is_trusted_by_its_own_word_and_no_address() {
    let said = headers(&[("x-forwarded-for", "192.0.2.7")]);
    let by_address = proxies(&["127.0.0.0/8", "::1/128"], None);
    let client = by_address.client(PeerAddr::UNIX, &said);
    assert_eq!(
        (from(&client).as_str(), client.trusted),
        ("127.0.0.1", false)
    );
    let by_word = proxies(&["unix"], None);
    let client = by_word.client(PeerAddr::UNIX, &said);
    assert_eq!(
        (from(&client).as_str(), client.trusted),
        ("192.0.2.7", true)
    );
    assert!(!concluded(&by_word, "127.0.0.1", &[]).trusted);
}

#[test]
fn without_a_list_nobody_is_trusted() {
    let said = [("x-forwarded-for", "192.0.2.7")];
    let client = concluded(&TrustedProxies::default(), "127.0.0.1", &said);
    assert_eq!(from(&client), "127.0.0.1");
}

#[test]
fn the_right_most_untrusted_entry_over_all_lines_is_the_client() {
    let trust = proxies(&["10.0.0.0/8"], None);
    for (lines, expected) in [
        (vec!["1.2.3.4, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (vec!["1.2.3.4, 192.0.2.7", "10.0.0.2"], "192.0.2.7"),
        (vec!["1.2.3.4", "192.0.2.7:5123"], "192.0.2.7"),
        (vec!["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        (vec!["[2001:db8::1]:443"], "2001:db8::1"),
        (vec!["[2001:db8::1]"], "2001:db8::1"),
        (vec!["::ffff:192.0.2.7"], "192.0.2.7"),
        (vec!["1.2.3.4, garbage, 10.0.0.2"], "10.0.0.2"),
        (vec!["garbage"], "10.1.1.1"),
        (vec![""], "10.1.1.1"),
        (vec![], "10.1.1.1"),
    ] {
        let said: Vec<_> = lines
            .iter()
            .map(|line| ("x-forwarded-for", *line))
            .collect();
        let client = concluded(&trust, "10.1.1.1", &said);
        assert_eq!(from(&client), expected, "{lines:?}");
    }
}

#[test]
fn a_configured_header_replaces_the_chain() {
    let trust = proxies(&["127.0.0.1/32"], Some("CF-Connecting-IP"));
    let chain = ("x-forwarded-for", "203.0.113.9");
    let named = ("cf-connecting-ip", "192.0.2.7");
    let client = concluded(&trust, "127.0.0.1", &[chain, named]);
    assert_eq!(from(&client), "192.0.2.7");
    let client = concluded(&trust, "127.0.0.1", &[chain]);
    assert_eq!(
        from(&client),
        "127.0.0.1",
        "the chain is nobody's word then"
    );
    let client = concluded(&trust, "127.0.0.1", &[named, named]);
    assert_eq!(from(&client), "127.0.0.1", "two copies are none");
}

#[test]
fn an_ipv4_peer_on_an_ipv6_socket_is_found_in_an_ipv4_network_and_the_reverse() {
    let said = [("x-forwarded-for", "192.0.2.7")];
    let trust = proxies(&["127.0.0.0/8"], None);
    let client = concluded(&trust, "::ffff:127.0.0.1", &said);
    assert_eq!(from(&client), "192.0.2.7");
    let trust = proxies(&["::ffff:127.0.0.0/104"], None);
    assert!(concluded(&trust, "127.0.0.1", &said).trusted);
    assert!(!concluded(&proxies(&["2000::/3"], None), "127.0.0.1", &said).trusted);
}

#[test]
fn a_chain_of_schemes_gives_the_browsers_own() {
    let trust = proxies(&["127.0.0.1/32"], None);
    for (said, expected) in [
        ("https,http", Some(true)),
        ("HTTP", Some(false)),
        ("wss", None),
        ("", None),
    ] {
        let client = concluded(&trust, "127.0.0.1", &[("x-forwarded-proto", said)]);
        assert_eq!(client.https, expected, "{said}");
    }
}

proptest! {
    /// Whatever a stranger writes in `X-Forwarded-For`, it speaks only for itself.
    #[test]
    fn an_untrusted_peer_is_its_own_client(peer: IpAddr, said in "[ -~]{0,200}") {
        let peer = PeerAddr::from(peer);
        let found = TrustedProxies::default().client(peer, &headers(&[("x-forwarded-for", &said)]));
        prop_assert_eq!(found.addr, ClientAddr::from(peer));
    }

    /// Bytes of any kind from a trusted proxy conclude in an address, never in a panic.
    #[test]
    fn garbage_from_a_trusted_proxy_is_survived(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..4),
    ) {
        let mut map = HeaderMap::new();
        for line in lines {
            if let Ok(value) = HeaderValue::from_bytes(&line) {
                map.append(X_FORWARDED_FOR, value.clone());
                map.append(X_FORWARDED_PROTO, value);
            }
        }
        let trust = proxies(&["127.0.0.1/32"], None);
        let client = trust.client(PeerAddr::from(IpAddr::from([127, 0, 0, 1])), &map);
        prop_assert!(client.trusted);
    }

    /// The entry that our proxy appended wins over everything the client put before it.
    #[test]
    fn what_stands_before_the_appended_entry_does_not_matter(said in "[ -~]{0,80}", client: IpAddr) {
        let client = client.to_canonical();
        prop_assume!(client != IpAddr::from([127, 0, 0, 1]));
        let line = format!("{said}, {client}");
        let trust = proxies(&["127.0.0.1/32"], None);
        let peer = PeerAddr::from(IpAddr::from([127, 0, 0, 1]));
        let found = trust.client(peer, &headers(&[("x-forwarded-for", &line)]));
        prop_assert_eq!(found.addr.ip(), client);
    }
}
