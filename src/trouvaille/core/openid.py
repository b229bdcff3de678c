"""OpenID Connect, the part of the relying party: authorization code with PKCE, state and nonce.

Source: OpenID Connect Core 1.0, RFC 7636 (PKCE), RFC 9207 (issuer in the answer). Authlib makes the requests and checks
the claims.
"""

import time
from dataclasses import dataclass
from typing import Any

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from trouvaille.core.errors import N_, Invalid, Unavailable
from trouvaille.core.provider import Provider, is_safe
from trouvaille.core.secrets import new_token

TIMEOUT_S = 10.0
KEPT_S = 3600.0
LEEWAY_S = 60
# Those of a public key alone: with HS256 a client id and its secret would make a signature, and "none" needs nothing.
ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
SCOPE = "openid email profile"


class SignOnFailed(Invalid):
    """The answer was not the one to our question; which part is wrong is not told."""

    message = N_("Signing in there did not work. Please try again.")


class ProviderAway(Unavailable):
    """The provider can't be reached, or does not speak as it should."""

    message = N_("The place where you wanted to sign in can’t be reached right now.")


@dataclass(frozen=True, slots=True)
class Question:
    """What ties an answer to the browser and the moment in which it was asked for; secret until then."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def fresh(cls) -> "Question":
        """One that nobody has asked before; 256 random bits each."""
        return cls(new_token(), new_token(), new_token())


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as a provider knows them: issuer and subject are who they are, all else is what it says of them.

    Attributes:
        email: only one that the provider has verified.
    """

    issuer: str
    subject: str
    email: str | None
    name: str | None


class OpenId:
    """What this server speaks with one provider."""

    def __init__(self, provider: Provider, *, redirect_uri: str) -> None:
        self.provider, self.redirect_uri = provider, redirect_uri
        self._metadata: dict[str, Any] = {}
        self._keys: dict[str, Any] = {}
        self._read_at = -KEPT_S

    def _client(self) -> AsyncOAuth2Client:
        return AsyncOAuth2Client(
            client_id=self.provider.client_id,
            client_secret=self.provider.client_secret,
            redirect_uri=self.redirect_uri,
            scope=SCOPE,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
        )

    async def address(self, question: Question) -> str:
        """Where to send a browser.

        Raises:
            ProviderAway
        """
        await self._discover()
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                self._metadata["authorization_endpoint"],
                state=question.state,
                nonce=question.nonce,
                code_verifier=question.verifier,
            )
        return str(url)

    async def identity(self, question: Question, code: str) -> Identity:
        """Who came back with a code.

        Raises:
            SignOnFailed: the code is used or not ours, or the token is signed by somebody else, about something else,
                for somebody else, or too old.
            ProviderAway
        """
        await self._discover()
        try:
            async with self._client() as client:
                token = await client.fetch_token(
                    self._metadata["token_endpoint"], code=code, code_verifier=question.verifier
                )
        except AuthlibBaseError as error:
            raise SignOnFailed from error
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderAway from error
        try:
            claims = await self._claims(token, question)
        except (JoseError, AuthlibBaseError, ValueError, TypeError, KeyError) as error:
            raise SignOnFailed from error
        return self._as_identity(claims)

    async def _claims(self, token: dict[str, Any], question: Question) -> dict[str, Any]:
        offered = self._metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        registry = JWSRegistry(algorithms=sorted(ALGORITHMS.intersection(offered)), strict_check_header=False)
        try:
            read = jwt.decode(token["id_token"], KeySet.import_key_set(self._keys), registry=registry)  # type: ignore[arg-type]
        except InvalidKeyIdError:  # the provider has changed its keys since
            await self._discover(again=True)
            read = jwt.decode(token["id_token"], KeySet.import_key_set(self._keys), registry=registry)  # type: ignore[arg-type]
        claims = CodeIDToken(
            read.claims,
            read.header,
            {
                "iss": {"essential": True, "value": self.provider.issuer},
                "aud": {"essential": True, "value": self.provider.client_id},
            },
            {
                "nonce": question.nonce,
                "client_id": self.provider.client_id,
                "access_token": token.get("access_token"),
            },
        )
        claims.validate(leeway=LEEWAY_S)
        return dict(claims)

    def _as_identity(self, claims: dict[str, Any]) -> Identity:
        subject, email, name = claims["sub"], claims.get("email"), claims.get("name")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise SignOnFailed
        # Some providers send the word instead of the truth value.
        verified = claims.get("email_verified") in (True, "true")
        return Identity(
            issuer=self.provider.issuer,
            subject=subject,
            email=email if verified and isinstance(email, str) and len(email) <= 254 else None,
            name=name[:80] if isinstance(name, str) else None,
        )

    async def _discover(self, *, again: bool = False) -> None:
        """Read what the provider says of itself, and its keys; kept for an hour."""
        if not again and time.monotonic() - self._read_at < KEPT_S:
            return
        address = f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with httpx2.AsyncClient(timeout=TIMEOUT_S) as client:
                metadata = (await client.get(address)).raise_for_status().json()
                if metadata["issuer"] != self.provider.issuer:
                    raise ValueError("another issuer")
                ends = ("authorization_endpoint", "token_endpoint", "jwks_uri")
                if not all(is_safe(metadata[end]) for end in ends):
                    raise ValueError("an address without TLS")
                keys = (await client.get(metadata["jwks_uri"])).raise_for_status().json()
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ProviderAway from error
        self._metadata, self._keys, self._read_at = metadata, keys, time.monotonic()
