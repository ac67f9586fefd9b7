"""Debian's nginx before a dashboard: TLS with a certificate of its own making."""
import os
import shutil
import socket
import ssl
import subprocess
import tempfile

from dashboard import await_
from house import Browser

NAME = "cases.example"

CONFIG = """
daemon off;
{user}
pid {dir}/pid;
error_log {dir}/errors;
worker_processes 1;
events {{ worker_connections 128; }}
http {{
    access_log {dir}/requests;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    server {{
        listen 127.0.0.1:{tls} ssl;
        listen 127.0.0.1:{plain};
        ssl_certificate {dir}/certificate;
        ssl_certificate_key {dir}/key;
        location / {{
            proxy_pass http://127.0.0.1:{port};
            proxy_http_version 1.1;
            proxy_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}
}}
"""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Nginx:
    """https on one port, and (which no dashboard answers to) http on another."""

    def __init__(self, dashboard):
        self.dashboard = dashboard
        self.dir = tempfile.mkdtemp(prefix="casebus-nginx-")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=" + NAME, "-addext", "subjectAltName=DNS:" + NAME,
                        "-keyout", os.path.join(self.dir, "key"), "-out", os.path.join(self.dir, "certificate")],
                       check=True, capture_output=True)
        self.start()

    def start(self):
        """On ports that are free now, or on others if somebody was quicker."""
        for _ in range(5):
            self.tls, self.plain = free_ports(2)
            self.write_config()
            self.process = subprocess.Popen(["/usr/sbin/nginx", "-c", os.path.join(self.dir, "config"), "-e",
                                             os.path.join(self.dir, "errors")], stderr=subprocess.DEVNULL)
            if await_("answered or ended", lambda: self.process.poll() is not None or self.answers()) and \
                    self.process.poll() is None:
                self.host = "%s:%d" % (NAME, self.tls)
                self.url = "https://%s/" % self.host
                return
        with open(os.path.join(self.dir, "errors")) as errors:
            raise AssertionError("nginx does not start: " + errors.read())

    def write_config(self):
        with open(os.path.join(self.dir, "config"), "w") as config:
            config.write(CONFIG.format(dir=self.dir, tls=self.tls, plain=self.plain, port=self.dashboard.port,
                                       user="user root;" if os.geteuid() == 0 else ""))

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.tls), timeout=5).close()
            return True
        except ConnectionRefusedError:
            return False

    def log(self):
        """Who asked what, and what came of it."""
        with open(os.path.join(self.dir, "requests")) as requests:
            return requests.read()

    def browser(self, address="127.0.0.1"):
        return TlsBrowser(self, address)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.process.terminate()
        self.process.wait(timeout=30)
        shutil.rmtree(self.dir)


class TlsBrowser(Browser):
    """One that speaks to the proxy, and checks its certificate."""
    scheme, cookie = "https", "__Host-casebus"

    def __init__(self, proxy, address):
        super().__init__(proxy.dashboard, address)
        self.proxy, self.host = proxy, proxy.host
        self.context = ssl.create_default_context(cafile=os.path.join(proxy.dir, "certificate"))

    def connect(self):
        connection = super().connect()
        plain = socket.create_connection(("127.0.0.1", self.proxy.tls), timeout=connection.timeout,
                                         source_address=(self.address, 0))
        connection.sock = self.context.wrap_socket(plain, server_hostname=NAME)
        return connection
