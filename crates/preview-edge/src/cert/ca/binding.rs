//! A new account with an external binding (RFC 8555 §7.3.4) and a key of ours. The ACME crate makes the key of such an
//! account itself and hands it out afterwards: a crash between would burn a binding that is good only once.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use instant_acme::{Error, Problem};
use rustls_pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::directory::Directory;
use super::wire::Wire;
use crate::cert::Failure;
use crate::cert::secret::{Secret, refuse};
use crate::config::Eab;

/// Makes the account.
pub(super) async fn make(
    eab: &Eab,
    key: &PrivatePkcs8KeyDer<'_>,
    directory: &Directory,
    wire: &Wire,
    deadline: Instant,
) -> Result<(), Error> {
    let file = eab.hmac_file.clone();
    let secret =
        tokio::task::spawn_blocking(move || read(&file)).await.map_err(|it| Error::Other(it.into()))?;
    let secret = secret.map_err(of)?;
    let signer = Signer::new(key)?;
    let url = directory.new_account.as_str();
    let payload = json!({
        "termsOfServiceAgreed": true,
        "externalAccountBinding": bind(&eab.kid, &secret, &signer.jwk, url),
    });
    patiently!(deadline, post(directory, wire, &signer, &payload).await)
}

async fn post(directory: &Directory, wire: &Wire, signer: &Signer, payload: &Value) -> Result<(), Error> {
    let url = directory.new_account.as_str();
    let head =
        json!({ "alg": "ES256", "jwk": signer.jwk, "nonce": nonce(directory, wire).await?, "url": url });
    let body = jws(&head, payload, |text| signer.sign(text))?;
    let request = Request::post(url).header(CONTENT_TYPE, "application/jose+json");
    let answer = ask(wire, request.body(Bytes::from(body.to_string()))?).await?;
    if answer.status().is_success() {
        return Ok(());
    }
    Err(Error::Api(serde_json::from_slice::<Problem>(answer.body())?))
}

/// The key of a binding: base64url, some write it with `=` at its end.
pub(super) fn read(file: &std::path::Path) -> Result<hmac::Key, Failure> {
    let text = Secret::read(file)?;
    let bytes = BASE64URL_NOPAD.decode(text.expose().trim_end_matches('=').as_bytes());
    let bytes = bytes.map_err(|_| refuse(file, "is no HMAC key in base64url"))?;
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// The binding: the account's key, signed with that of the authority's customer.
fn bind(kid: &str, secret: &hmac::Key, jwk: &Value, url: &str) -> Value {
    let head = json!({ "alg": "HS256", "kid": kid, "url": url });
    let signed = jws(&head, jwk, |text| Ok::<_, std::convert::Infallible>(hmac::sign(secret, text)));
    signed.unwrap_or_else(|never| match never {})
}

/// The account's key, as it signs.
struct Signer {
    key: EcdsaKeyPair,
    jwk: Value,
}

impl Signer {
    fn new(key: &PrivatePkcs8KeyDer<'_>) -> Result<Self, Error> {
        let pkcs8 = key.secret_pkcs8_der();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8)
            .map_err(|_| Error::KeyRejected)?;
        // An uncompressed point (SEC 1 §2.3.3): a tag, then x and y of 32 bytes each.
        let point = key.public_key().as_ref();
        let (x, y) = (point.get(1..33).unwrap_or_default(), point.get(33..).unwrap_or_default());
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y });
        Ok(Self { key, jwk })
    }

    fn sign(&self, text: &[u8]) -> Result<impl AsRef<[u8]> + use<>, Error> {
        self.key.sign(&SystemRandom::new(), text).map_err(|_| Error::Crypto)
    }
}

/// A flattened JSON web signature (RFC 7515 §7.2.2).
fn jws<S: AsRef<[u8]>, E>(
    head: &Value,
    payload: &Value,
    sign: impl FnOnce(&[u8]) -> Result<S, E>,
) -> Result<Value, E> {
    let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let (head, payload) = (encode(head), encode(payload));
    let signature = sign(format!("{head}.{payload}").as_bytes())?;
    let signature = BASE64URL_NOPAD.encode(signature.as_ref());
    Ok(json!({ "protected": head, "payload": payload, "signature": signature }))
}

async fn nonce(directory: &Directory, wire: &Wire) -> Result<String, Error> {
    let answer = ask(wire, Request::head(&directory.new_nonce).body(Bytes::new())?).await?;
    let nonce = answer.headers().get("replay-nonce").and_then(|nonce| nonce.to_str().ok());
    nonce.map(str::to_owned).ok_or(Error::Str("no nonce found in newNonce response"))
}

async fn ask(wire: &Wire, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
    wire.ask(request).await.map_err(of)
}

fn of(failure: Failure) -> Error {
    Error::Other(Box::new(failure))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use rcgen::PKCS_ECDSA_P256_SHA256;

    use super::*;

    #[test]
    fn the_binding_is_the_accounts_key_signed_with_the_customers() {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
        let jwk = json!({ "kty": "EC" });
        let binding = bind("kid-1", &secret, &jwk, "https://ca.example/new");
        let part = |name: &str| BASE64URL_NOPAD.decode(text(&binding, name).as_bytes()).expect("base64url");
        let head: Value = serde_json::from_slice(&part("protected")).expect("JSON");
        assert_eq!(head, json!({ "alg": "HS256", "kid": "kid-1", "url": "https://ca.example/new" }));
        assert_eq!(serde_json::from_slice::<Value>(&part("payload")).expect("JSON"), jwk);
        let signed = format!("{}.{}", text(&binding, "protected"), text(&binding, "payload"));
        hmac::verify(&secret, signed.as_bytes(), &part("signature")).expect("signed with the secret");
    }

    #[test]
    fn the_account_signs_with_the_key_it_shows() {
        let key = rcgen::KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key");
        let signer = Signer::new(&PrivatePkcs8KeyDer::from(key.serialize_der())).expect("a key of this kind");
        let jws = jws(&json!({}), &json!({}), |text| signer.sign(text)).expect("signed");
        let point =
            |name: &str| BASE64URL_NOPAD.decode(text(&signer.jwk, name).as_bytes()).expect("base64url");
        let public = [vec![4], point("x"), point("y")].concat();
        let message = format!("{}.{}", text(&jws, "protected"), text(&jws, "payload"));
        let signature = BASE64URL_NOPAD.decode(text(&jws, "signature").as_bytes()).expect("base64url");
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public)
            .verify(message.as_bytes(), &signature)
            .expect("its own signature");
    }

    fn text<'v>(value: &'v Value, name: &str) -> &'v str {
        value[name].as_str().expect("a text")
    }
}
