//! The client of STS in front of servers and proxies on the loopback address: what it sends, and what it makes of each
//! thing that can go wrong on the way.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request as HttpRequest, Response as HttpResponse};
use kube::Client;
use kube::client::Body;
use podidentity_cluster::sts::{Options, Proxies, Sts, Token, TokenError, token};
use podidentity_core::sts::{Answer, Code, Endpoint, Keys, NotAws, Request, Unreachable};
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// `{"alg":"RS256","kid":"k1"}`, and the claims of a service account.
const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsxIn0.eyJpc3MiOiJodHRwczovL2xvY2FsaG9zdDoxIiwic3ViIjoic3lzdGVtOnNlcnZpY2VhY2NvdW50OnNob3A6d2ViIiwiYXVkIjpbInN0cy5hbWF6b25hd3MuY29tIl19.VGhlU2lnbmF0dXJlT2ZUaGVUb2tlblRoYXRNdXN0Tm90QmVTZWVuQW55d2hlcmU";

const DENIED: &str = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error>\
                      <RequestId>r1</RequestId></ErrorResponse>";

fn options() -> Options {
    Options {
        timeout: Duration::from_secs(5),
        authorities: None,
        proxies: Proxies::through("", ""),
        user_agent: "test".to_owned(),
    }
}

fn request(url: &str) -> Request {
    Request {
        role: "arn:aws:iam::111122223333:role/shop".parse().unwrap(),
        subject: "system:serviceaccount:shop:web".to_owned(),
        session: "podidentity-probe".parse().unwrap(),
        endpoint: Endpoint::custom(url, None).unwrap(),
    }
}

async fn ask(options: Options, url: &str) -> Answer {
    let token = Token::new(TOKEN.to_owned()).unwrap();
    Sts::new(options).unwrap().assume_role_with_web_identity(&request(url), &token).await
}

fn why(answer: &Answer) -> Unreachable {
    match answer {
        Answer::Unavailable(unavailable) => unavailable.why,
        answer => panic!("there is an answer: {answer:?}"),
    }
}

/// A server that answers every connection with these bytes, and notes what it was sent.
struct Server {
    address: SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(answer: String) -> Self {
        Self::start_with(answer, None).await
    }

    async fn start_with(answer: String, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap(), received: Arc::default() };
        let received = Arc::clone(&server.received);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, received, tls) = (answer.clone(), Arc::clone(&received), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &answer, &received).await;
                            }
                        }
                        None => serve(stream, &answer, &received).await,
                    }
                });
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str, received: &Mutex<Vec<String>>) {
    let Some(request) = whole(&mut stream).await else { return };
    received.lock().unwrap().push(request);
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// The head of a request, and the body that its head announces.
async fn whole(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn http(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn what_sts_is_sent_is_what_it_expects() {
    let server = Server::start(http("403 Forbidden", "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n", DENIED)).await;
    let answer = ask(options(), &server.url()).await;
    let Answer::Refused(refusal) = answer else { panic!("{answer:?}") };
    assert_eq!((refusal.code.clone(), refusal.http), (Code::AccessDenied, 403));
    assert_eq!(refusal.date, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert!(received[0].starts_with("POST / HTTP/1.1\r\n"), "{}", received[0]);
    assert!(received[0].contains("content-type: application/x-www-form-urlencoded; charset=utf-8\r\n"));
    assert!(received[0].contains("user-agent: test\r\n"));
    assert!(!received[0].to_lowercase().contains("\r\nauthorization:"));
    assert!(received[0].ends_with(&format!("&WebIdentityToken={TOKEN}")));
}

#[tokio::test]
async fn what_is_not_sts_is_told() {
    for (bytes, expected) in [
        (http("200 OK", "", ""), NotAws::Empty(200)),
        (http("302 Found", "location: http://127.0.0.1:1/\r\n", ""), NotAws::Empty(302)),
        (http("200 OK", "", &"x".repeat(1_000_000)), NotAws::TooLong(200)),
        (http("502 Bad Gateway", "", "<html><title>Proxy</title></html>"), NotAws::Page(502, "Proxy".to_owned())),
    ] {
        let server = Server::start(bytes).await;
        assert_eq!(ask(options(), &server.url()).await, Answer::NotAws(expected));
    }
}

#[tokio::test]
async fn where_nobody_answers_the_reason_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // It is connected to, and never answers.
    let impatient = Options { timeout: Duration::from_millis(200), ..options() };
    assert_eq!(why(&ask(impatient, &url).await), Unreachable::TimedOut);
    drop(listener);
    assert_eq!(why(&ask(options(), &url).await), Unreachable::NoConnection);
    let server = Server::start(String::new()).await;
    assert_eq!(why(&ask(options(), &server.url()).await), Unreachable::BrokenOff);
    let cut = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<Error";
    let server = Server::start(cut.to_owned()).await;
    assert_eq!(why(&ask(options(), &server.url()).await), Unreachable::BrokenOff);
    assert_eq!(why(&ask(options(), "https://sts.podidentity.invalid").await), Unreachable::NoAddress);
}

/// A certificate of an authority of its own, in a file, and how to serve with it.
fn certificate(folder: &Path) -> (std::path::PathBuf, TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "sts.example.com".to_owned()]).unwrap();
    let file = folder.join("authorities.pem");
    std::fs::write(&file, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    (file, TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn certificates_are_those_of_the_file_or_the_built_in_ones() {
    let folder = tempfile::tempdir().unwrap();
    let (file, tls) = certificate(folder.path());
    let server = Server::start_with(http("403 Forbidden", "", DENIED), Some(tls)).await;
    let url = format!("https://localhost:{}", server.address.port());
    assert_eq!(why(&ask(options(), &url).await), Unreachable::NoTls);
    let trusting = Options { authorities: Some(file), ..options() };
    assert!(matches!(ask(trusting.clone(), &url).await, Answer::Refused(_)));
    // A server that does not speak TLS.
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", plain.local_addr().unwrap().port());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ = stream.write_all(http("400 Bad Request", "", "").as_bytes()).await;
        }
    });
    assert_eq!(why(&ask(trusting, &url).await), Unreachable::NoTls);
}

#[tokio::test]
async fn a_file_of_authorities_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for file in [empty, folder.path().join("missing.pem")] {
        let error = Sts::new(Options { authorities: Some(file.clone()), ..options() }).unwrap_err().to_string();
        assert!(error.contains("SSL_CERT_FILE") && error.contains(file.to_str().unwrap()), "{error}");
    }
}

/// A proxy that tunnels everything to one server, or answers with these bytes.
async fn proxy(to: Option<SocketAddr>, refusal: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connects = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&connects);
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let noted = Arc::clone(&noted);
            tokio::spawn(async move {
                let Some(head) = whole(&mut client).await else { return };
                noted.lock().unwrap().push(head);
                let Some(to) = to else {
                    let _ = client.write_all(refusal.as_bytes()).await;
                    return;
                };
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(to).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (format!("http://user:p%40ss@{address}"), connects)
}

#[tokio::test]
async fn a_proxy_tunnels_what_no_exception_keeps_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let (file, tls) = certificate(folder.path());
    let server = Server::start_with(http("403 Forbidden", "", DENIED), Some(tls)).await;
    let (url, connects) = proxy(Some(server.address), "").await;
    let through =
        |except| Options { authorities: Some(file.clone()), proxies: Proxies::through(&url, except), ..options() };
    let answer = ask(through(""), "https://sts.example.com").await;
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
    let heads = connects.lock().unwrap().clone();
    assert!(heads[0].starts_with("CONNECT sts.example.com:443 HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[0].contains("Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"), "{heads:?}");
    assert!(!heads[0].contains("eyJ"), "the proxy sees no token");
    // This machine itself, and what NO_PROXY names.
    assert!(matches!(
        ask(through(""), &format!("https://localhost:{}", server.address.port())).await,
        Answer::Refused(_)
    ));
    assert!(
        matches!(ask(through("podidentity.invalid"), "https://sts.podidentity.invalid").await, Answer::Unavailable(it) if it.why == Unreachable::NoAddress)
    );
    assert_eq!(connects.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_proxy_that_refuses_or_is_gone_is_named_as_the_cause() {
    let (url, _) = proxy(None, "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let through = |url: &str| Options { proxies: Proxies::through(url, ""), ..options() };
    assert_eq!(why(&ask(through(&url), "https://sts.example.com").await), Unreachable::Proxy);
    assert_eq!(why(&ask(through("http://127.0.0.1:1"), "https://sts.example.com").await), Unreachable::Proxy);
    assert_eq!(
        why(&ask(through("http://proxy.podidentity.invalid"), "https://sts.example.com").await),
        Unreachable::Proxy
    );
}

#[tokio::test]
async fn the_keys_of_an_issuer_are_fetched_by_tls_only() {
    let sts = Sts::new(options()).unwrap();
    let claims = Token::new(TOKEN.to_owned()).unwrap().claims().clone();
    let plain = podidentity_core::sts::Claims { issuer: "http://127.0.0.1:1".to_owned(), ..claims.clone() };
    let keys = sts.published_keys(&plain).await;
    assert!(matches!(&keys, Keys::Nothing { why, .. } if why.contains("https://")), "{keys:?}");
    let keys = sts.published_keys(&claims).await;
    assert!(
        matches!(&keys, Keys::Nothing { url, why } if url.starts_with("https://localhost:1/.well-known") && why.contains("connection")),
        "{keys:?}"
    );
}

#[test]
fn a_token_is_not_shown() {
    let token = Token::new(TOKEN.to_owned()).unwrap();
    assert_eq!(format!("{token:?}"), "Token(..)");
    assert_eq!(token.claims().key_id.as_deref(), Some("k1"));
    let error = Token::new("not a token".to_owned()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("not a token"));
}

/// What an API server that gives this answer makes of a request for a token, and what it was sent.
async fn given(code: u16, body: Value) -> (Result<Token, TokenError>, Value) {
    let (service, mut handle) = tower_test::mock::pair::<HttpRequest<Body>, HttpResponse<Body>>();
    let server = tokio::spawn(async move {
        let (request, respond) = handle.next_request().await.unwrap();
        let path = request.uri().path().to_owned();
        let sent = request.into_body().collect_bytes().await.unwrap();
        let body = Body::from(body.to_string().into_bytes());
        respond.send_response(HttpResponse::builder().status(code).body(body).unwrap());
        json!({"path": path, "body": serde_json::from_slice::<Value>(&sent).unwrap()})
    });
    let result = token(&Client::new(service, "default"), "shop", "web", "sts.amazonaws.com").await;
    (result, server.await.unwrap())
}

fn failure(code: u16, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "", "message": message})
}

#[tokio::test]
async fn a_token_is_asked_for_by_the_shortest_life_and_one_audience() {
    let answer = json!({"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"audiences": ["sts.amazonaws.com"]}, "status": {"token": TOKEN, "expirationTimestamp": "2026-01-01T00:00:00Z"}});
    let (result, sent) = given(201, answer).await;
    assert_eq!(result.unwrap().claims().subject, "system:serviceaccount:shop:web");
    assert_eq!(sent["path"], "/api/v1/namespaces/shop/serviceaccounts/web/token");
    assert_eq!(sent["body"]["spec"], json!({"audiences": ["sts.amazonaws.com"], "expirationSeconds": 600}));
}

#[tokio::test]
async fn who_gets_no_token_is_told_why() {
    let rbac = "serviceaccounts \"web\" is forbidden: User \"u\" cannot create resource \"serviceaccounts/token\" in API \
                group \"\" in the namespace \"shop\"";
    let guard =
        "serviceaccounts \"web\" is forbidden: ValidatingAdmissionPolicy 'g' with binding 'g' denied request: no";
    for (code, message, expected) in [
        (403, rbac, "resources: [serviceaccounts/token], resourceNames: [web], verbs: [create]"),
        (403, guard, "A policy of the cluster may limit"),
        (404, "serviceaccounts \"web\" not found", "there is no service account web in namespace shop"),
        (422, "audiences[0]: Invalid value", "does not give a token"),
        (401, "Unauthorized", "does not accept your credentials"),
        (500, "etcd is ill", "cannot create serviceaccounts/token: etcd is ill"),
    ] {
        let error = given(code, failure(code, message)).await.0.unwrap_err().to_string();
        assert!(error.contains(expected), "{code}: {error}");
    }
}
