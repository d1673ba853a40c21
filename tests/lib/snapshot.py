"""A look-alike of snapshot.debian.org on this machine: states of archives by the time at which they were taken in.

As there, /archive/NAME/TIME/… for any TIME leads (302) to the newest state that is not younger, and only a state's own time
gives files. `asked` has every state that a file was asked of.
"""
import functools
import http.server
import threading


class _Handler(http.server.SimpleHTTPRequestHandler):
    states = {}
    asked = set()

    def do_GET(self):
        words = self.path.split("/", 4)
        if len(words) < 5 or words[1] != "archive" or words[2] not in self.states:
            self.send_error(404)
            return
        _, _, name, time, rest = words
        older = [taken for taken in sorted(self.states[name]) if taken <= time]
        if not older:
            self.send_error(404)
        elif older[-1] != time:
            self.send_response(302)
            self.send_header("Location", f"/archive/{name}/{older[-1]}/{rest}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self.asked.add((name, time))
            self.path = f"/{self.states[name][time]}/{rest}"
            super().do_GET()

    do_HEAD = do_GET

    def log_message(self, *_):
        pass


def serve(folder, states):
    """states: archive to {time: path below folder}. The address, and the set of (archive, time) that were asked."""
    asked = set()
    handler = type("Handler", (_Handler,), {"states": states, "asked": asked})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}", asked
