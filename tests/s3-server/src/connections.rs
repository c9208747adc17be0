//! Connections, and the faults that affect requests and responses in transit.
//!
//! Protocol: HTTP/1.1. The script is consulted once per request, here; faults that concern the blob are passed to
//! the service with the request.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, ETAG, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use s3s::dto::StreamingBlob;
use s3s::service::S3Service;
use s3s::{Body, S3Error, S3ErrorCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Options;
use crate::counts::Counts;
use crate::faults::{Fate, Fault, Faults, Operation};

/// Pause after a failed accept, for example without free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
const PORTAL: &str = "<html><body>Please log in to use this network.</body></html>";

/// Layer between connections and the service. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Front(Arc<Inner>);

struct Inner {
    service: S3Service,
    bucket: String,
    faults: Faults,
    counts: Arc<Counts>,
}

impl fmt::Debug for Front {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Front").finish_non_exhaustive()
    }
}

/// The connection must close without a response.
#[derive(Debug)]
struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("closed without a response, by a fault rule")
    }
}

impl std::error::Error for Gone {}

/// Accepts connections until the future is dropped, which ends all of them.
pub(crate) async fn accept(listener: TcpListener, front: Front) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve(stream, front.clone())); }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, front: Front) {
    // Otherwise a response in two packets waits for the client's delayed acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(|request| front.answer(request));
    let connection = hyper::server::conn::http1::Builder::new();
    // An error concerns only the client.
    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

impl Front {
    pub(crate) fn new(
        service: S3Service,
        options: &Options,
        faults: Faults,
        counts: Arc<Counts>,
    ) -> Self {
        let bucket = options.bucket.clone();
        Self(Arc::new(Inner { service, bucket, faults, counts }))
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Gone> {
        let mut request = request.map(Body::from);
        let Some((operation, key)) = self.read(&request) else { return self.pass(request).await };
        self.0.counts.add(operation);
        let fate = self.0.faults.draw(operation, &key);
        if !fate.delay.is_zero() {
            tokio::time::sleep(fate.delay).await;
        }
        let fault = fate.fault.clone();
        match &fault {
            Some(Fault::LoseRequest) => return Err(Gone),
            Some(Fault::Refuse(status, code)) => {
                drain(request.into_body()).await;
                return refusal(*status, code);
            }
            Some(Fault::Garbage) => {
                drain(request.into_body()).await;
                return Ok(Response::new(Body::from(Bytes::from_static(PORTAL.as_bytes()))));
            }
            _ => {}
        }
        request.extensions_mut().insert::<Fate>(fate);
        let mut response = self.pass(request).await?;
        match fault {
            Some(Fault::LoseAnswer) => return Err(Gone),
            Some(Fault::RefuseAfter(status, code)) => return refusal(status, code),
            Some(Fault::NoETag) => drop(response.headers_mut().remove(ETAG)),
            Some(Fault::WrongETag) => {
                let etag = HeaderValue::from_static("\"0123456789abcdef0123456789abcdef\"");
                response.headers_mut().insert(ETAG, etag);
            }
            Some(Fault::Truncate(length)) => return truncate(response, length).await,
            _ => {}
        }
        Ok(response)
    }

    async fn pass(&self, request: Request<Body>) -> Result<Response<Body>, Gone> {
        self.0.service.call(request).await.map_err(|_| Gone)
    }

    /// Returns the kind of a request, and its key or prefix.
    fn read(&self, request: &Request<Body>) -> Option<(Operation, String)> {
        let uri = request.uri();
        let path = uri.path().strip_prefix('/')?;
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let operation = match *request.method() {
            Method::PUT => Operation::Put,
            Method::GET if key.is_empty() => Operation::List,
            Method::GET => Operation::Get,
            Method::HEAD => Operation::Head,
            Method::DELETE => Operation::Delete,
            _ => return None,
        };
        let text = if operation == Operation::List {
            let mut parts = uri.query().unwrap_or_default().split('&');
            parts.find_map(|part| part.strip_prefix("prefix=")).unwrap_or_default()
        } else {
            key
        };
        let text = percent_decode_str(text).decode_utf8_lossy().into_owned();
        (bucket == self.0.bucket).then_some((operation, text))
    }
}

/// Reads a body to its end, so that the client sees the response and not a reset.
async fn drain(mut body: Body) {
    while let Some(Ok(_)) = body.next().await {}
}

fn refusal(status: u16, code: &'static str) -> Result<Response<Body>, Gone> {
    let code = S3ErrorCode::from_bytes(code.as_bytes()).ok_or(Gone)?;
    let mut error = S3Error::with_message(code, "error of a fault rule");
    error.set_status_code(status.try_into().map_err(|_| Gone)?);
    error.to_http_response().map_err(|_| Gone)
}

/// Returns the same head with a body that ends early.
async fn truncate(response: Response<Body>, length: usize) -> Result<Response<Body>, Gone> {
    let (mut head, mut body) = response.into_parts();
    let bytes = body.store_all_limited(usize::MAX).await.map_err(|_| Gone)?;
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
    let beginning = bytes.slice(..length.min(bytes.len()));
    let parts = [Ok(beginning), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
    // The pause flushes the first part before the connection ends.
    let parts = futures_util::stream::iter(parts).then(async |part| {
        if part.is_err() {
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
        part
    });
    Ok(Response::from_parts(head, Body::from(StreamingBlob::wrap(Box::pin(parts)))))
}
