"""An object store that speaks as much of S3 as it takes to write, list, read and delete."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from references.web_server import Answer, Request, WebServer, serving

_SECRETS = {"AWS_ACCESS_KEY_ID": "someone", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def reachable(store: "ObjectStore") -> Iterator[WebServer]:
    """Let `s3://` mean this store, here and in processes that are started within the `with` block."""
    before = dict(os.environ)
    with serving(store) as running:
        os.environ |= _SECRETS | {"AWS_ENDPOINT_URL": running.address, "AWS_REGION": "here-1"}
        try:
            yield running
        finally:
            for name in (*_SECRETS, "AWS_ENDPOINT_URL", "AWS_REGION"):
                os.environ.pop(name, None)
                os.environ |= {name: before[name]} if name in before else {}


@dataclass
class ObjectStore:
    """Buckets with their objects; writing is refused while `full` is set.

    Attributes:
        buckets: content by key, by bucket.
        full: refuse what is written.
    """

    buckets: dict[str, dict[str, bytes]]
    full: bool = False
    _parts: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def __call__(self, request: Request) -> Answer:
        """The answer to a request."""
        bucket, _, key = request.path.lstrip("/").partition("/")
        query = parse_qs(request.query, keep_blank_values=True)
        if bucket not in self.buckets:
            return _refused(404, "NoSuchBucket")
        if "Credential=someone/" not in request.headers.get("authorization", ""):
            return _refused(403, "AccessDenied")
        objects = self.buckets[bucket]
        if request.method in ("GET", "HEAD"):
            return _read(objects, key, request) if key else _listed(bucket, objects, query)
        if request.method == "DELETE":
            objects.pop(key, None)
            return Answer(204)
        return _refused(403, "QuotaExceeded") if self.full else self._written(request, objects, key, query)

    def _written(self, request: Request, objects: dict[str, bytes], key: str, query: Mapping[str, list[str]]) -> Answer:
        if "uploads" in query:
            upload = f"{key}-{len(self._parts)}"
            self._parts[upload] = {}
            return _xml(
                f"<InitiateMultipartUploadResult><UploadId>{escape(upload)}</UploadId></InitiateMultipartUploadResult>"
            )
        if request.method == "POST":
            parts = self._parts.pop(query["uploadId"][0])
            objects[key] = b"".join(content for _, content in sorted(parts.items()))
            return _xml(
                f"<CompleteMultipartUploadResult><Key>{escape(key)}</Key><ETag>done</ETag>"
                "</CompleteMultipartUploadResult>"
            )
        content = _content(request)
        if "partNumber" in query:
            self._parts[query["uploadId"][0]][int(query["partNumber"][0])] = content
        else:
            objects[key] = content
        return Answer(200, {"ETag": f'"{hashlib.md5(content).hexdigest()}"'})


def _content(request: Request) -> bytes:
    """The body; where it comes in signed chunks, without what stands around them."""
    if "aws-chunked" not in request.headers.get("content-encoding", ""):
        return request.body
    found, rest = [], request.body
    while rest:
        head, _, rest = rest.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            break
        found.append(rest[:size])
        rest = rest[size + 2 :]
    return b"".join(found)


def _read(objects: Mapping[str, bytes], key: str, request: Request) -> Answer:
    if key not in objects:
        return _refused(404, "NoSuchKey")
    content = objects[key]
    headers = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"}
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("range", ""))
    if wanted is None:
        return Answer(200, headers, content)
    first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Answer(206, headers, content[first : last + 1])


def _listed(bucket: str, objects: Mapping[str, bytes], query: Mapping[str, list[str]]) -> Answer:
    if "location" in query:
        return _xml("<LocationConstraint/>")
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    keys, folders = [], set()
    for key in sorted(objects):
        if key.startswith(prefix):
            inside = key.removeprefix(prefix)
            if delimiter and delimiter in inside:
                folders.add(prefix + inside.partition(delimiter)[0] + delimiter)
            else:
                keys.append(key)
    said = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key])}</Size><ETag>e</ETag>"
        "<LastModified>2025-01-01T00:00:00.000Z</LastModified></Contents>"
        for key in keys
    ) + "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in sorted(folders))
    return _xml(
        f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(keys)}</KeyCount>"
        f"<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{said}</ListBucketResult>"
    )


def _xml(content: str, status: int = 200) -> Answer:
    return Answer(
        status, {"Content-Type": "application/xml"}, f'<?xml version="1.0" encoding="UTF-8"?>{content}'.encode()
    )


def _refused(status: int, code: str) -> Answer:
    return _xml(f"<Error><Code>{code}</Code><Message>{code}</Message></Error>", status)
