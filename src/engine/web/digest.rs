//! Random values, digests and HMAC (`WebCrypto`).

use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};
use rquickjs::{ArrayBuffer, Ctx, Exception, Object, TypedArray};

use crate::engine::argument::BytesArgument;
use crate::engine::fence::native;

pub(super) fn offer<'js>(natives: &Object<'js>) -> rquickjs::Result<()> {
    natives.set(
        "digest",
        native(|ctx: Ctx<'js>, hash: String, data: BytesArgument<'js>| {
            let (algorithm, _) = algorithms(&ctx, &hash)?;
            let digest = data.with(|data| digest::digest(algorithm, data));
            ArrayBuffer::new_copy(ctx, digest.as_ref())
        }),
    )?;
    natives.set(
        "hmac",
        native(
            |ctx: Ctx<'js>, hash: String, key: BytesArgument<'js>, data: BytesArgument<'js>| {
                let key = key_of(&ctx, &hash, &key)?;
                let tag = data.with(|data| hmac::sign(&key, data));
                ArrayBuffer::new_copy(ctx, tag.as_ref())
            },
        ),
    )?;
    natives.set(
        "hmacMatches",
        native(
            |ctx: Ctx<'js>,
             hash: String,
             key: BytesArgument<'js>,
             data: BytesArgument<'js>,
             signature: BytesArgument<'js>|
             -> rquickjs::Result<bool> {
                let key = key_of(&ctx, &hash, &key)?;
                let verified =
                    data.with(|data| signature.with(|tag| hmac::verify(&key, data, tag)));
                Ok(verified.is_ok())
            },
        ),
    )?;
    natives.set(
        "randomBytes",
        native(|ctx: Ctx<'js>, count: usize| {
            let bytes = random(&ctx, count)?;
            TypedArray::<u8>::new_copy(ctx, bytes)
        }),
    )?;
    natives.set(
        "randomUuid",
        native(|ctx: Ctx<'js>| -> rquickjs::Result<String> {
            let bytes = random(&ctx, 16)?;
            let bytes = bytes.try_into().expect("sixteen were asked for");
            let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
            Ok(uuid.to_string())
        }),
    )
}

fn algorithms(
    ctx: &Ctx<'_>,
    hash: &str,
) -> rquickjs::Result<(&'static digest::Algorithm, hmac::Algorithm)> {
    match hash {
        "SHA-1" => Ok((
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        )),
        "SHA-256" => Ok((&digest::SHA256, hmac::HMAC_SHA256)),
        "SHA-384" => Ok((&digest::SHA384, hmac::HMAC_SHA384)),
        "SHA-512" => Ok((&digest::SHA512, hmac::HMAC_SHA512)),
        other => Err(Exception::throw_type(
            ctx,
            &format!("{other:?} is no known hash"),
        )),
    }
}

fn key_of(ctx: &Ctx<'_>, hash: &str, key: &BytesArgument<'_>) -> rquickjs::Result<hmac::Key> {
    let (_, algorithm) = algorithms(ctx, hash)?;
    Ok(key.with(|key| hmac::Key::new(algorithm, key)))
}

fn random(ctx: &Ctx<'_>, count: usize) -> rquickjs::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Exception::throw_internal(ctx, "the system gave no random bytes"))?;
    Ok(bytes)
}
