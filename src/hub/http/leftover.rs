//! What a refusal leaves unread of a request's body, read to its end before the answer, so that the connection can go on.
//!
//! An answer that overtakes the body ends the connection: the client's next bytes meet a closed socket, and the reset that
//! they earn can cost it the answer too.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Error;
use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Version};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::model::limits::{HTTP_BODY_BYTES_MAX, HTTP_BODY_S_MAX};

/// Answers once the body is read, by the endpoint or here. A body that is too large or too slow ends the connection, and
/// so does one that the client holds back until it is welcome. A stream of HTTP/2 ends without its connection.
pub(super) async fn read_out(request: Request, next: Next) -> Response {
    if request.version() > Version::HTTP_11 {
        return next.run(request).await;
    }
    let is_held_back = request.headers().contains_key(EXPECT);
    let (back, mut left) = oneshot::channel();
    let request = request.map(|body| Body::new(Returned { body, back: Some(back) }));
    // From the request's arrival, as the endpoints count.
    let mut too_late = pin!(sleep(Duration::from_secs(HTTP_BODY_S_MAX)));
    let mut response = next.run(request).await;
    if let Ok(body) = left.try_recv() {
        let is_read = !is_held_back
            && tokio::select! {
                biased;
                is_read = read_to_end(body) => is_read,
                () = &mut too_late => false,
            };
        if !is_read {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
    response
}

/// Reads and drops a body; says whether its end came within the size of any body.
async fn read_to_end(mut body: Body) -> bool {
    if body.size_hint().lower() > HTTP_BODY_BYTES_MAX as u64 {
        return false;
    }
    let mut room = HTTP_BODY_BYTES_MAX;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let bytes = frame.map(|frame| frame.data_ref().map_or(0, Bytes::len));
        match bytes.map(|bytes| room.checked_sub(bytes)) {
            Ok(Some(rest)) => room = rest,
            Ok(None) | Err(_) => return false,
        }
    }
    true
}

/// A body that comes back when it is dropped before its end.
struct Returned {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl HttpBody for Returned {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        if let Some(back) = self.back.take().filter(|_| !self.body.is_end_stream()) {
            // Nobody waits for it when the connection itself is gone.
            let _unwanted = back.send(std::mem::take(&mut self.body));
        }
    }
}
