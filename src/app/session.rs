//! `platform.session` as it is configured: where its values come from, and who verifies tokens.

use std::sync::Arc;

use crate::config::{self, Config, Serving};
use crate::token;
use crate::transaction::{SessionSources, TokenSource};

/// Where `platform.session` comes from.
pub(super) fn sources(
    serving: &Serving,
    config: &Config,
) -> Result<SessionSources, token::KeyError> {
    let token = serving.token.as_ref().map(|configured| {
        let config::Token {
            header,
            algorithm,
            keys,
            issuer,
            audience,
            leeway,
        } = configured;
        let verifier = token::Verifier::new(&token::Settings {
            algorithm: match algorithm {
                config::TokenAlgorithm::Hs256 => token::Algorithm::Hs256,
                config::TokenAlgorithm::Hs384 => token::Algorithm::Hs384,
                config::TokenAlgorithm::Hs512 => token::Algorithm::Hs512,
                config::TokenAlgorithm::Rs256 => token::Algorithm::Rs256,
                config::TokenAlgorithm::Es256 => token::Algorithm::Es256,
            },
            keys: keys.iter().map(|key| key.expose().to_owned()).collect(),
            issuer: issuer.clone(),
            audience: audience.clone(),
            leeway: *leeway,
        })?;
        Ok(TokenSource {
            header: header.clone(),
            tokens: Arc::new(verifier),
        })
    });
    Ok(SessionSources::new(&config.session, token.transpose()?))
}
