"""A hub of models: as much of the hub's protocol as fetching a file takes, redirects and refusals included."""

import hashlib
from collections.abc import Callable, Mapping

from references.web_server import Answer, Request

COMMITS = {"main": "a" * 40, "v2": "b" * 40}
TOKEN = "hf_secret"


def hub(repositories: Mapping[str, Mapping[str, bytes]]) -> Callable[[Request], Answer]:
    """Answers of a hub.

    Files of `OWNER/large` stand elsewhere, as large files do; `OLD/NAME` has moved to `NEW/NAME` where the name begins
    with `moved`; the owner `private` wants a token, `gated` an agreement; `broken` is out of order.

    Args:
        repositories: files by the name of their repository; the revision v2 has them too.
    """

    def answer(request: Request) -> Answer:
        if request.path.startswith("/elsewhere/"):
            name, _, file = request.path.removeprefix("/elsewhere/").rpartition("/")
            return Answer(200, {"ETag": '"another"'}, repositories[name][file])
        name, found, rest = request.path.lstrip("/").partition("/resolve/")
        revision, _, file = rest.partition("/")
        owner, _, model = name.partition("/")
        if owner == "broken":
            return Answer(500)
        if owner == "private" and request.headers.get("authorization") != f"Bearer {TOKEN}":
            return refused(401, "RepoNotFound", "Invalid username or password.")  # what is hidden looks like nothing
        if owner == "gated":
            return refused(403, "GatedRepo", "Access to this model is restricted.")
        if model.startswith("moved") and owner != "new":
            return Answer(307, {"Location": f"/new/{model}/resolve/{rest}"})
        return told(request, name, revision, file) if found else Answer(404)

    def told(request: Request, name: str, revision: str, file: str) -> Answer:
        if name not in repositories:
            return refused(404, "RepoNotFound", "Repository not found")
        commit = COMMITS.get(revision, revision if revision in COMMITS.values() else None)
        if commit is None:
            return refused(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        content = repositories[name].get(file)
        if content is None:
            return Answer(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
        etag = hashlib.sha256(content).hexdigest()
        headers = {"X-Repo-Commit": commit, "ETag": f'"{etag}"'}
        if name.endswith("/large"):
            host = request.headers["host"].replace("127.0.0.1", "localhost")
            far = {"Location": f"http://{host}/elsewhere/{name}/{file}", "X-Linked-Etag": f'"{etag}"'}
            return Answer(302, {**headers, **far, "X-Linked-Size": str(len(content))})
        return Answer(200, headers, content)

    return answer


def refused(status: int, code: str, message: str) -> Answer:
    """A refusal in the hub's words."""
    return Answer(status, {"X-Error-Code": code, "X-Error-Message": message})
