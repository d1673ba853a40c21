"""A key broker that behaves as stock Trustee does (protocol 0.4.0), from its description: the same endpoints, cookie,
statuses, error bodies and answers. What it verifies of the evidence is the binding; tests say what it gives out."""
import base64
import hashlib
import http.server
import json
import os
import ssl
import sys
import threading
import tomllib
import traceback

import kbs_peer as peer

ERRORS = "https://github.com/confidential-containers/kbs/errors/"


class Refusal(Exception):
    """Trustee answers 401 with nearly everything: `variant` is the error's type, 404 stands for two of them."""

    def __init__(self, variant, detail):
        super().__init__(detail)
        self.status = 404 if variant in ("InvalidRequestPath", "PluginNotFound") else 401
        self.body = {"type": ERRORS + variant, "detail": detail}


class Session:
    def __init__(self):
        self.id, self.nonce = os.urandom(16).hex(), base64.b64encode(os.urandom(32)).decode()
        self.token = self.key = None


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that leaves in the middle is none of a server's errors."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Trustee:
    """`resources`: bytes by "PLUGIN/PATH". `seal` makes the answer to a resource. `change(step, status, headers, body)`,
    where given, makes another answer of each."""

    def __init__(self, certificate, key, resources, seal=peer.encrypt, change=None, verify=None, version="0.4.0"):
        self.resources, self.seal, self.change, self.verify, self.version = resources, seal, change, verify, version
        self.sessions, self.requests, self.faults = {}, [], []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self):
                size = int(self.headers.get("Content-Length", 0))
                server.answer(self, self.rfile.read(size))

            do_GET = do_POST = do_CONNECT = reply  # noqa: N815

            def log_message(self, *_):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_cert_chain(certificate, key)
        self.http = Server(("127.0.0.1", 0), Handler)
        self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, args=[0.01], daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def answer(self, handler, body):
        step = handler.path.removeprefix("/kbs/v0/").split("/")[0]
        self.requests.append((handler.command, handler.path))
        headers = {}
        try:
            status, answer = 200, self.handle(handler, step, body, headers)
        except Refusal as refusal:
            status, answer = refusal.status, refusal.body
        except Exception:  # noqa: a test asks for `faults`
            self.faults.append(traceback.format_exc())
            status, answer = 401, {"type": ERRORS + "SerdeError", "detail": "serde"}
        data = json.dumps(answer, separators=(",", ":")).encode()
        if self.change:
            status, headers, data = self.change(step, status, headers, data)
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        if "Content-Length" not in headers:
            handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def handle(self, handler, step, body, headers):
        if step == "auth":
            return self.auth(json.loads(body), headers)
        cookie = handler.headers.get("Cookie", "").removeprefix("kbs-session-id=")
        session = self.sessions.get(cookie)
        if not session:
            raise Refusal("InvalidSession" if cookie else "MissingCookie", "no session")
        if step == "attest":
            return self.attest(session, json.loads(body), headers)
        if not session.token:
            raise Refusal("TokenNotFound", "Attestation Token not found")
        path = handler.path.removeprefix("/kbs/v0/")
        if step not in {name.split("/")[0] for name in self.resources} | {"resource"}:
            raise Refusal("PluginNotFound", f"Plugin {step} not found")
        if path not in self.resources:
            raise Refusal("PluginInternalError", "Plugin Internal Error")
        return self.seal(session.key, self.resources[path])

    def cookie(self, session, headers):
        # In the past, as a guest with a wrong clock sees it.
        headers["Set-Cookie"] = f"kbs-session-id={session.id}; Expires=Thu, 01 Jan 1970 00:05:00 GMT"

    def auth(self, request, headers):
        version, tee = request["version"], request["tee"]
        assert "extra-params" in request and tee == "snp", request
        if version != self.version:
            raise Refusal("AttestationError", "RCAR handshake Auth failed: KBS Client Protocol Version Mismatch: expect "
                          f"={self.version} while the request is {version}")
        session = Session()
        self.sessions[session.id] = session
        self.cookie(session, headers)
        return {"nonce": session.nonce, "extra-params": ""}

    def attest(self, session, body, headers):
        self.cookie(session, headers)
        if session.token:
            return {"token": session.token}  # whatever was posted
        runtime, evidence = body["runtime-data"], body["tee-evidence"]
        report = evidence["primary_evidence"]["attestation_report"]
        chain = evidence["primary_evidence"]["cert_chain"]
        assert runtime["nonce"] == session.nonce and evidence["additional_evidence"] == "", runtime
        assert chain is None or chain, "an empty list counts as a chain and fails"
        wanted = peer.runtime_digest(session.nonce, runtime["tee-pubkey"]) + bytes(16)
        assert bytes(report["report_data"]) == wanted, "report_data"
        if self.verify:
            self.verify(report)
        init_data = body.get("init-data")
        if init_data:
            assert init_data["format"] == "toml", init_data["format"]
            text = init_data["body"]
            algorithm = tomllib.loads(text)["algorithm"]
            digest = hashlib.new(algorithm, text.encode()).digest()[:32].ljust(32, b"\0")
            assert digest == bytes(report["host_data"]), "init-data and HOST_DATA"
        self.init_data, self.chain = init_data, chain
        session.key, session.token = runtime["tee-pubkey"], "e30.e30.e30"
        return {"token": session.token}


def confdata(name, passphrase):
    """What Trustee's provisioner gives out."""
    return f'version = "0.1.0"\n\n[data]\n"io.cryptsetup.key.text.{name}" = "{passphrase}"\n'.encode()
