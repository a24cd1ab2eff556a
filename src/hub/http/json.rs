//! Bodies as clients really write them: missing, empty, with nulls for what is absent, with numbers as text.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use axum::body::{HttpBody, to_bytes};
use axum::extract::{FromRequest, Request};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tokio::time::timeout;

use super::error::Refusal;
use crate::model::limits::{HTTP_BODY_BYTES_MAX, HTTP_BODY_S_MAX};
use crate::model::{ErrorCode, JsonObject};

/// A request's body; a missing one reads as `null`. The content type does not matter: some clients name none.
#[derive(Debug)]
pub(super) struct JsonBody(pub(super) Value);

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        // What is announced too large is not waited for.
        if request.body().size_hint().lower() > HTTP_BODY_BYTES_MAX as u64 {
            return Err(too_large());
        }
        let read = to_bytes(request.into_body(), HTTP_BODY_BYTES_MAX);
        let bytes = match timeout(Duration::from_secs(HTTP_BODY_S_MAX), read).await {
            Ok(Ok(bytes)) => bytes,
            Ok(Err(error)) => return Err(unread_body(&error)),
            Err(_) => {
                let reason = format!("the body did not arrive within {HTTP_BODY_S_MAX} s");
                return Err(Refusal::unreadable(ErrorCode::GenericBadRequest, reason));
            }
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self(Value::Null));
        }
        // Some .NET clients begin with a byte-order mark.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let value = serde_json::from_slice(text).map_err(|error| {
            Refusal::unreadable(ErrorCode::ArgumentInvalid, format!("the body is not JSON: {error}"))
        })?;
        Ok(Self(value))
    }
}

/// Says why a body could not be read: too large, or broken off.
fn unread_body(error: &axum::Error) -> Refusal {
    let exceeded = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .any(|error| error.to_string().contains("length limit exceeded"));
    if exceeded {
        return too_large();
    }
    Refusal::unreadable(ErrorCode::GenericBadRequest, format!("the body broke off: {error}"))
}

fn too_large() -> Refusal {
    Refusal::new(ErrorCode::MessageTooLarge, format!("The request body is larger than {HTTP_BODY_BYTES_MAX} bytes."))
}

impl JsonBody {
    /// Reads the body, which must be an object, as `T`; a missing body is `{}`.
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<T, Refusal> {
        let value = if self.0.is_null() { Value::Object(JsonObject::new()) } else { self.0 };
        read(value)
    }
}

/// Reads an object as `T`; the log says which member does not fit, the caller what the service would say.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    let read: Result<Object<T>, _> = serde_path_to_error::deserialize(value);
    read.map(|Object(members)| members).map_err(|error| {
        Refusal::unreadable(ErrorCode::ArgumentInvalid, format!("`{}` in the body: {}", error.path(), error.inner()))
    })
}

/// Members that are written as an object. serde alone would take an array for them too, its items in the members' order.
#[derive(Debug)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

/// Reads a member that is an object or null.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(Option::<Object<T>>::deserialize(deserializer)?.map(|Object(members)| members))
}

/// Reads an integer that is written as number or text, or is null: `az` sends time-outs as text (CLIENTS.md 2.4).
pub(super) fn lenient_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let wrong = |value: &Value| serde::de::Error::custom(format!("{value} is not an integer"));
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(None),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Ok(Some(integer)),
            None => Err(wrong(&Value::Number(number))),
        },
        Value::String(text) => text.trim().parse().map(Some).map_err(|_| wrong(&Value::String(text))),
        other => Err(wrong(&other)),
    }
}

/// Reads an object that may be null or absent.
pub(super) fn optional_object(value: Option<&Value>, name: &str) -> Result<Option<JsonObject>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object.clone())),
        Some(_) => Err(Refusal::argument(format!("'{name}' must be a JSON object."))),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde_json::json;

    use super::*;

    async fn parsed(body: impl Into<Body>) -> Result<Value, Refusal> {
        let request = Request::builder().body(body.into()).unwrap();
        JsonBody::from_request(request, &()).await.map(|body| body.0)
    }

    // conformance: REST.md 1.2: a missing body is as good as an empty one
    #[tokio::test]
    async fn a_missing_body_is_as_good_as_an_empty_one() {
        for body in ["", " \r\n"] {
            assert_eq!(parsed(body).await.unwrap(), Value::Null);
        }
        assert_eq!(parsed("{}").await.unwrap(), json!({}));
        assert_eq!(parsed("\u{feff}{\"a\":1}").await.unwrap(), json!({"a": 1}));
    }

    // conformance: REST.md 3.3: content that is no JSON is 400 ArgumentInvalid;BadRequest without detail
    #[tokio::test]
    async fn garbage_is_refused_without_detail_and_size_by_its_own_code() {
        let refusal = parsed("{\"a\":").await.unwrap_err();
        assert_eq!((refusal.error.code, refusal.error.message.as_str()), (ErrorCode::ArgumentInvalid, "BadRequest"));
        let refusal = parsed(vec![b' '; HTTP_BODY_BYTES_MAX + 1]).await.unwrap_err();
        assert_eq!(refusal.error.code, ErrorCode::MessageTooLarge);
        let refusal = parsed("[".repeat(10_000)).await.unwrap_err();
        assert_eq!(refusal.error.code, ErrorCode::ArgumentInvalid);
    }

    #[test]
    fn members_come_as_an_object_and_never_as_an_array() {
        #[derive(Debug, Default, PartialEq, Deserialize)]
        #[serde(default)]
        struct T {
            a: Option<String>,
            #[serde(deserialize_with = "object")]
            t: Option<Box<T>>,
        }
        for (body, a) in [(json!({}), None), (json!({"t": null}), None), (json!({"t": {"a": "x"}}), Some("x"))] {
            assert_eq!(read::<T>(body).unwrap().t.and_then(|inner| inner.a).as_deref(), a);
        }
        for (body, path) in [(json!([]), "."), (json!(["x"]), "."), (json!({"t": []}), "t"), (json!({"t": ["x"]}), "t")]
        {
            let refusal = read::<T>(body).unwrap_err();
            let reason = refusal.error.reason.unwrap_or_default();
            assert!(reason.starts_with(&format!("`{path}` in the body: invalid type: sequence")), "{reason}");
        }
        assert_eq!(JsonBody(Value::Null).read::<T>().unwrap(), T::default(), "a missing body is an empty object");
    }

    #[test]
    fn integers_come_as_numbers_texts_and_nulls() {
        #[derive(Deserialize)]
        struct T {
            #[serde(default, deserialize_with = "lenient_integer")]
            t: Option<i64>,
        }
        for (body, want) in [
            (json!({}), None),
            (json!({"t": null}), None),
            (json!({"t": 30}), Some(30)),
            (json!({"t": "30"}), Some(30)),
        ] {
            assert_eq!(read::<T>(body).unwrap().t, want);
        }
        for body in [json!({"t": 1.5}), json!({"t": "soon"}), json!({"t": [30]})] {
            assert!(read::<T>(body).is_err());
        }
    }
}
