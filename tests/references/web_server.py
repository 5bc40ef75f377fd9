"""A web server of the tests' own, on this machine's loopback: what it answers is a function of what it is asked."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Answer:
    """Status, headers and body of an answer; the body of an answer to HEAD is not sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Request:
    """Method, path (decoded), query, headers (names in lower case) and body."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class WebServer:
    """Address of the server, and all that it was asked."""

    address: str
    requests: list[Request] = field(default_factory=list)


@contextmanager
def serving(answer: Callable[[Request], Answer]) -> Iterator[WebServer]:
    """A server that runs for the length of a `with` block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            address = urlsplit(self.path)
            request = Request(self.command, unquote(address.path), address.query, headers, self._body(headers))
            running.requests.append(request)
            told = answer(request)
            self.send_response(told.status)
            # A connection that is kept would be served on after the `with` block.
            for name, value in {"Content-Length": str(len(told.body)), "Connection": "close", **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(told.body)

        do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815 - the library's names

        def _body(self, headers: Mapping[str, str]) -> bytes:
            if headers.get("expect") == "100-continue":
                self.send_response_only(100)
                self.end_headers()
            if headers.get("transfer-encoding") != "chunked":
                return self.rfile.read(int(headers.get("content-length", "0")))
            found = []
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                found.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass  # trailers
            return b"".join(found)

        def log_message(self, *arguments: object) -> None:
            """Nothing: what was asked is kept in `requests`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        running = WebServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
