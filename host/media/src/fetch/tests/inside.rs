//! No way leads inside.

use tokio::net::TcpListener;

use super::server::{Answer, Server};
use super::*;

/// A server inside that must never be asked.
async fn secret() -> Server {
    Server::start(INSIDE, |_| Answer::body("image/png", b"secret")).await
}

fn with_names(names: &Arc<ScriptedNames>) -> Fetcher {
    Fetcher::over(policy(), names.clone(), is_inside).unwrap()
}

fn assert_inside(failure: &Failure, what: &str) {
    assert_eq!((failure.kind, failure.public), (Kind::InvalidRequest, true), "{what}: {failure}");
    assert!(failure.message.contains("this host is not allowed"), "{what}: {failure}");
}

#[tokio::test]
async fn every_spelling_of_an_internal_address_is_refused() {
    let fetcher = Fetcher::new(policy()).unwrap();
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "167772161",
        "169.254.169.254",
        "0xa9fea9fe",
        "2852039166",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::169.254.169.254]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "[ff02::1]",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}/latest/meta-data");
            assert_inside(&refused(&fetcher, &url).await, &url);
        }
    }
}

#[tokio::test]
async fn names_of_services_inside_are_refused_unresolved() {
    let names = ScriptedNames::new(&[]);
    let fetcher = with_names(&names);
    for host in [
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "metadata.google.internal",
        "kubernetes.default.svc",
        "ip6-localhost",
    ] {
        let url = format!("https://{host}/");
        assert_inside(&refused(&fetcher, &url).await, &url);
    }
    assert_eq!(names.lookups(), Vec::<String>::new());
}

#[tokio::test]
async fn the_host_is_what_follows_the_user() {
    let secret = secret().await;
    let fetcher = fetcher(policy());
    for url in [
        format!("http://example.com@{}/", secret.address),
        format!("http://example.com:80@{}/", secret.address),
        format!("http://{OUTSIDE}%2f@{}/", secret.address),
        format!("http://a@b@{}/", secret.address),
        format!("http:\\\\{}/", secret.address),
        format!("http:/{}/", secret.address),
        format!("http:{}/#@example.com/", secret.address),
        format!("ht\ntp://127.0.\t0.2:{}/", secret.address.port()),
        format!("  http://{}/", secret.address),
    ] {
        assert_inside(&refused(&fetcher, &url).await, &url);
    }
    assert!(secret.requests().is_empty());
}

#[tokio::test]
async fn a_user_and_a_password_stay_out_of_the_message() {
    let failure = refused(&fetcher(policy()), "http://me:secret@127.0.0.2/a?token=secret").await;
    assert!(failure.message.starts_with("http://127.0.0.2/a: "), "{failure}");
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused() {
    let secret = secret().await;
    let names = ScriptedNames::new(&[
        ("inside.test", &[&[INSIDE]]),
        ("mixed.test", &[&[OUTSIDE, INSIDE]]),
        ("mapped.test", &[&["::ffff:127.0.0.1"]]),
        ("nowhere.test", &[&[]]),
    ]);
    let fetcher = with_names(&names);
    for host in ["inside.test", "mixed.test", "mapped.test"] {
        let url = format!("http://{host}:{}/", secret.address.port());
        let failure = refused(&fetcher, &url).await;
        assert_inside(&failure, &url);
        assert!(!failure.message.contains("127."), "what it resolves to stays inside: {failure}");
    }
    for host in ["nowhere.test", "unknown.test"] {
        let failure = refused(&fetcher, &format!("http://{host}/")).await;
        assert_eq!(failure.kind, Kind::InvalidRequest);
        assert!(failure.message.contains("does not resolve"), "{failure}");
    }
    assert!(secret.requests().is_empty());
}

#[tokio::test]
async fn a_name_is_resolved_once_and_that_address_is_connected_to() {
    // The same port outside and inside, so that only the address tells them apart.
    let (secret, listener) = loop {
        let secret = secret().await;
        if let Ok(listener) = TcpListener::bind((OUTSIDE, secret.address.port())).await {
            break (secret, listener);
        }
    };
    let port = secret.address.port();
    let accepted = tokio::spawn(async move { listener.accept().await.map(drop) });
    let names = ScriptedNames::new(&[("rebind.test", &[&[OUTSIDE], &[INSIDE]])]);
    // The server outside hangs up, which is enough to know that it was the one.
    let failure = refused(&with_names(&names), &format!("http://rebind.test:{port}/")).await;
    accepted.await.unwrap().unwrap();
    assert_eq!(failure.kind, Kind::BackendProtocol, "{failure}");
    assert_eq!(names.lookups(), ["rebind.test"]);
    assert!(secret.requests().is_empty());
}

#[tokio::test]
async fn a_name_that_was_outside_is_checked_again_on_a_redirect() {
    let secret = secret().await;
    let port = secret.address.port();
    let target = format!("http://rebind.test:{port}/again");
    let outside = Server::start(OUTSIDE, move |_| Answer::to(&target)).await;
    let names = ScriptedNames::new(&[("rebind.test", &[&[OUTSIDE], &[INSIDE]])]);
    let first = format!("http://rebind.test:{}/", outside.address.port());
    assert_inside(&refused(&with_names(&names), &first).await, "second answer");
    assert_eq!(names.lookups().len(), 2);
    assert!(secret.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_leads_inside_in_no_way() {
    let secret = secret().await;
    let (address, port) = (secret.address, secret.address.port());
    let outside = Server::start(OUTSIDE, move |path| match path {
        "/literal" => Answer::to(format!("http://{address}/")),
        "/relative" => Answer::to(format!("//{address}/")),
        "/decimal" => Answer::to(format!("http://2130706434:{port}/")),
        "/named" => Answer::to(format!("http://inside.test:{port}/")),
        "/user" => Answer::to(format!("http://example.com@{address}/")),
        "/localhost" => Answer::to(format!("http://localhost:{port}/")),
        "/twice" => Answer::to("/literal"),
        other => panic!("{other}"),
    })
    .await;
    let names = ScriptedNames::new(&[("inside.test", &[&[INSIDE]])]);
    let fetcher = with_names(&names);
    for path in ["/literal", "/relative", "/decimal", "/named", "/user", "/localhost", "/twice"] {
        assert_inside(&refused(&fetcher, &outside.url(path)).await, path);
    }
    assert!(secret.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_keeps_to_the_schemes_of_the_web() {
    let outside = Server::start(OUTSIDE, |path| match path {
        "/file" => Answer::to("file:///etc/passwd"),
        "/data" => Answer::to("data:image/png;base64,aGVsbG8="),
        "/ftp" => Answer::to("ftp://example.com/"),
        "/none" => Answer::head("302 Found\r\ncontent-length: 0"),
        "/broken" => Answer::to("http://[::1"),
        other => panic!("{other}"),
    })
    .await;
    let fetcher = fetcher(Policy { local_root: Some("/".into()), ..policy() });
    for path in ["/file", "/data", "/ftp", "/none", "/broken"] {
        let failure = refused(&fetcher, &outside.url(path)).await;
        assert_eq!(failure.kind, Kind::InvalidRequest, "{path}: {failure}");
        assert!(failure.message.contains("redirects to something"), "{path}: {failure}");
    }
}

#[tokio::test]
async fn three_redirects_are_followed_and_a_fourth_is_not() {
    let outside = Server::start(OUTSIDE, |path| match path {
        "/0" => Answer::body("image/png", PNG),
        path => {
            let left: usize = path[1..].parse().unwrap();
            Answer::to(format!("/{}", left - 1))
        }
    })
    .await;
    let fetcher = fetcher(policy());
    let blob = fetcher.fetch(&outside.url("/3"), &limits()).await.unwrap();
    assert_eq!(blob.into_bytes(), PNG);
    let failure = refused(&fetcher, &outside.url("/4")).await;
    assert_eq!(failure.kind, Kind::InvalidRequest);
    assert!(failure.message.contains("more than 3 redirects"), "{failure}");
}

#[tokio::test]
async fn an_operator_may_let_clients_inside() {
    let inside = secret().await;
    let names = ScriptedNames::new(&[("inside.test", &[&[INSIDE]])]);
    let policy = Policy { allow_internal: true, ..policy() };
    let fetcher = Fetcher::over(policy, names, is_inside).unwrap();
    let named = format!("http://inside.test:{}/", inside.address.port());
    for url in [inside.url("/"), named] {
        let blob = fetcher.fetch(&url, &limits()).await.unwrap();
        assert_eq!(blob.into_bytes(), &b"secret"[..]);
    }
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_no_way_in() {
    // Proxies are read from the process's environment when a client is made, so a child is asked.
    if std::env::var_os("MEDIA_TEST_PROXIED").is_some() {
        let failure = refused(&fetcher(policy()), "http://unknown.test/").await;
        assert!(failure.message.contains("does not resolve"), "{failure}");
        return;
    }
    let proxy = Server::start(OUTSIDE, |_| Answer::body("image/png", b"proxied")).await;
    let url = proxy.url("/");
    let output = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "fetch::tests::inside::a_proxy_of_the_environment_is_no_way_in"])
        .env("MEDIA_TEST_PROXIED", "1")
        .envs(["http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"].map(|name| (name, &url)))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("1 passed"), "{printed}");
    assert!(proxy.requests().is_empty());
}
