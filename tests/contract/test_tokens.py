"""Who signs tokens, who believes them, and what the custom access token hook makes of them."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthApiError

from worker.signing import new_signing_key

pytestmark = pytest.mark.stack

KEY_SET = "/auth/v1/.well-known/jwks.json"
VERB = "/rest/v1/rpc/rescue_jobs"
"""Open to workers and to the service, and to nobody else."""


@pytest.fixture
def appointed(service: Client) -> Iterator[Callable[[str], None]]:
    """Makes the account with an e-mail address a worker, until the test is over."""
    emails: list[str] = []

    def appoint(email: str) -> None:
        emails.append(email)
        service.rpc("set_worker_account", {"p_email": email}).execute()

    yield appoint
    for email in emails:
        service.rpc("set_worker_account", {"p_email": email, "p_works": False}).execute()


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def refresh(client: Client) -> str:
    session = client.auth.refresh_session().session
    assert session is not None
    return session.access_token


def test_the_key_set_is_public_and_checks_a_users_token(
    project: Any, http: httpx.Client, person: Callable[[], Any]
) -> None:
    answer = http.get(f"{project.url}{KEY_SET}")  # without a key
    token = person().token
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "ES256"
    (key,) = [key for key in answer.raise_for_status().json()["keys"] if key["kid"] == header["kid"]]
    assert "d" not in key
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["ES256"], audience="authenticated")
    assert claims["iss"] == f"{project.url}/auth/v1"
    assert set(claims) >= {"sub", "exp", "iat", "email", "phone", "aal", "amr", "session_id", "is_anonymous"}


def test_the_client_checks_a_token_by_itself(person: Callable[[], Any]) -> None:
    someone = person()
    answer = someone.client.auth.get_claims()
    assert answer is not None
    assert answer["claims"]["sub"] == someone.user_id
    assert answer["headers"]["alg"] == "ES256"


@pytest.mark.parametrize("kind", ["token", "legacy_token"])
@pytest.mark.parametrize(
    "path",
    ["/rest/v1/albums?select=id", "/auth/v1/user", "/storage/v1/bucket", "/functions/v1/cancel"],
)
def test_every_service_believes_both_kinds_of_tokens(
    project: Any, person: Callable[[], Any], bare: Callable[..., httpx.Response], kind: str, path: str
) -> None:
    token = getattr(project, kind)("authenticated", person().user_id)
    method = "POST" if "functions" in path else "GET"
    more = {"json": {"job_id": "00000000-0000-0000-0000-000000000000"}} if method == "POST" else {}
    assert bare(method, path, token=token, **more).status_code in (200, 404)
    assert bare(method, path, token=token[:-8] + "AAAAAAAA", **more).status_code in (400, 401, 403)


@pytest.mark.parametrize("path", ["/rest/v1/albums?select=id", "/storage/v1/bucket", "/auth/v1/settings"])
def test_a_key_is_no_token(project: Any, http: httpx.Client, path: str) -> None:
    """A secret key beside another one opens nothing; the same one twice is what the clients send."""
    for key in (project.publishable_key, project.secret_key):
        headers = {"apikey": key, "authorization": f"Bearer {key}"}
        assert http.get(project.url + path, headers=headers).status_code != 401 or "rest" in path
    for key in (project.publishable_key, project.secret_key, "sb_secret_guessed"):
        other = project.secret_key if key == project.publishable_key else project.publishable_key
        headers = {"apikey": other, "authorization": f"Bearer {key}"}
        assert http.get(project.url + path, headers=headers).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("anon", 401), ("service_role", 200), ("kizu_worker", 401)])
def test_a_legacy_key_holds_for_now_and_a_token_is_no_key(
    project: Any, http: httpx.Client, role: str, status: int
) -> None:
    url = f"{project.url}/rest/v1/job_kinds?select=kind"
    legacy, token = project.legacy_token(role), project.token(role)
    answer = http.get(url, headers={"apikey": legacy, "authorization": f"Bearer {legacy}"})
    assert answer.status_code == status
    assert ("42501" in answer.text) == (role == "anon"), "the role is anon's, which may read nothing"
    assert http.get(url, headers={"apikey": token}).status_code == 401


def forgeries(project: Any, http: httpx.Client) -> dict[str, str]:
    """Tokens for the role kizu_worker by somebody who has what everybody may have, the key set."""
    (key, *_) = http.get(f"{project.url}{KEY_SET}").json()["keys"]
    good = project.token("kizu_worker")
    claims = claims_of(good)
    header, payload, signature = good.split(".")
    none = jwt.encode(claims, "", algorithm="none", headers={"kid": key["kid"]})
    ours, another = jwt.PyJWK(project.signing_key), jwt.PyJWK(new_signing_key())

    def es256(signed_with: jwt.PyJWK, kid: str) -> str:
        return jwt.encode(claims, signed_with.key, algorithm="ES256", headers={"kid": kid})

    return {
        "HS256 by the public key as JSON": shared(claims, json.dumps(key).encode(), key["kid"]),
        "HS256 by the public key's x": shared(claims, key["x"].encode(), key["kid"]),
        "HS256 by the public key as PEM": shared(claims, _pem(jwt.PyJWK(key)), key["kid"]),
        "alg none": none,
        "alg none, with a signature": none + signature,
        "the header of alg none": f"{none.partition('.')[0]}.{payload}.{signature}",
        "no signature": f"{header}.{payload}.",
        "expired": project.token("kizu_worker", seconds=-60),
        "another key": es256(another, key["kid"]),
        "a kid of nobody": es256(ours, "nobody"),
    }


def shared(claims: dict[str, Any], secret: bytes, kid: str) -> str:
    """HS256 by hand, because the library refuses to take a public key for a secret."""
    head = {"alg": "HS256", "typ": "JWT", "kid": kid}
    signed = ".".join(_part(json.dumps(part).encode()) for part in (head, claims))
    return f"{signed}.{_part(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _pem(key: jwt.PyJWK) -> bytes:
    pem: bytes = key.key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return pem


def test_a_forged_or_expired_worker_token_reaches_nothing(
    project: Any, http: httpx.Client, bare: Callable[..., httpx.Response]
) -> None:
    good = project.token("kizu_worker")
    assert bare("POST", VERB, token=good, json={"p_limit": 0}).status_code == 200
    got_in = {
        name: answer.status_code
        for name, token in forgeries(project, http).items()
        for path in (VERB, "/storage/v1/object/list/assets")
        if (answer := bare("POST", path, token=token, json={"p_limit": 0, "prefix": ""})).is_success
    }
    assert got_in == {}


def test_an_account_that_is_a_worker_signs_in_as_one(
    project: Any,
    person: Callable[[], Any],
    appointed: Callable[[str], None],
    service: Client,
    bare: Callable[..., httpx.Response],
) -> None:
    someone = person()
    assert claims_of(someone.token)["role"] == "authenticated"
    appointed(someone.email.upper())
    refreshed = refresh(someone.client)
    answer = someone.client.auth.sign_in_with_password({"email": someone.email, "password": someone.password})
    assert answer.session is not None
    for token in (refreshed, answer.session.access_token):
        assert claims_of(token)["role"] == "kizu_worker"
        assert claims_of(token)["sub"] == someone.user_id
        assert bare("POST", VERB, token=token, json={"p_limit": 0}).status_code == 200
        assert bare("GET", "/rest/v1/assets", token=token).status_code == 403
    service.rpc("set_worker_account", {"p_email": someone.email, "p_works": False}).execute()
    token = refresh(someone.client)
    assert claims_of(token)["role"] == "authenticated"
    assert bare("POST", VERB, token=token, json={"p_limit": 0}).status_code == 403


def test_nobody_makes_themselves_a_worker(
    project: Any, person: Callable[[], Any], bare: Callable[..., httpx.Response], http: httpx.Client
) -> None:
    someone = person()
    claims = {"role": "kizu_worker", "user_role": "kizu_worker", "claims": {"role": "kizu_worker"}}
    someone.client.auth.update_user({"data": claims})
    token = refresh(someone.client)
    assert claims_of(token)["user_metadata"]["role"] == "kizu_worker"
    assert claims_of(token)["role"] == "authenticated"
    assert bare("POST", VERB, token=token, json={"p_limit": 0}).status_code == 403
    signed_up = http.post(
        f"{project.url}/auth/v1/signup",
        headers={"apikey": project.publishable_key},
        json={
            "email": f"x{someone.email}",
            "password": someone.password,
            "data": claims,
            "role": "kizu_worker",
            "app_metadata": claims,
        },
    )
    assert claims_of(signed_up.raise_for_status().json()["access_token"])["role"] == "authenticated"
    for caller in (None, token, project.token("kizu_worker")):
        for function in ("set_worker_account", "custom_access_token_hook"):
            body = {"p_email": someone.email, "event": {}}
            answer = bare("POST", f"/rest/v1/rpc/{function}", token=caller, json=body)
            assert answer.status_code in (401, 403, 404), (function, answer.text)
        answer = bare(
            "POST", "/rest/v1/rpc/set_worker_account", token=caller, json={"p_email": someone.email}
        )
        assert answer.json()["code"] == "42501"


def test_an_owner_of_photos_does_not_become_a_worker(person: Callable[[], Any], service: Client) -> None:
    someone = person()
    someone.client.table("assets").insert({"path": someone.path("a.jpg"), "media_type": "document"}).execute()

    with pytest.raises(APIError, match="bad_params"):
        service.rpc("set_worker_account", {"p_email": someone.email}).execute()
    with pytest.raises(APIError, match="not_found"):
        service.rpc("set_worker_account", {"p_email": "nobody@example.test"}).execute()


def test_a_worker_account_still_signs_out(
    person: Callable[[], Any], appointed: Callable[[str], None], project: Any, http: httpx.Client
) -> None:
    someone = person()
    appointed(someone.email)
    client = create_client(project.url, project.publishable_key, ClientOptions(httpx_client=http))
    client.auth.sign_in_with_password({"email": someone.email, "password": someone.password})
    answer = client.auth.get_user()
    assert answer is not None
    assert answer.user.id == someone.user_id
    session = client.auth.get_session()
    assert session is not None
    client.auth.sign_out()
    with pytest.raises(AuthApiError):
        client.auth.refresh_session(session.refresh_token)
