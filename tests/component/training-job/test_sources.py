"""Rows from a real S3 endpoint and a real HTTPS server."""

import datetime
import http.server
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kanarya_contracts.problems import InvalidInput
from kanarya_training_job import source
from kanarya_training_job.row_settings import DataSource

IRIS = Path(__file__).parents[3] / "data" / "iris.csv"


def test_an_object_is_read_from_s3(s3: Any) -> None:
    s3.put_object(Bucket="data", Key="rows/iris.csv", Body=IRIS.read_bytes())
    table = source.read(DataSource(source="s3://data/rows/iris.csv"))
    assert table.sha256 == source.read(DataSource(source=str(IRIS))).sha256
    assert table.source == "s3://data/rows/iris.csv"


@pytest.mark.parametrize(("address", "code"), [("s3://data/absent.csv", "NoSuchKey"), ("s3://absent/iris.csv", "NoSuchBucket")])
@pytest.mark.usefixtures("s3")
def test_what_s3_has_not_is_said_with_its_code(address: str, code: str) -> None:
    with pytest.raises(InvalidInput, match=f"{address}: 1 problem\n  cannot be read: {code}"):
        source.read(DataSource(source=address))


@pytest.mark.usefixtures("s3")
def test_an_s3_endpoint_that_is_down_is_said_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(InvalidInput, match=r"cannot be read: .*127\.0\.0\.1:9.*is AWS_ENDPOINT_URL right"):
        source.read(DataSource(source="s3://data/iris.csv"))
    assert time.monotonic() - began < 60  # two attempts of boto's at most; of its five, it waits for seconds between each


@pytest.mark.usefixtures("s3")
def test_missing_credentials_are_said_with_the_variables_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(InvalidInput, match="no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        source.read(DataSource(source="s3://data/iris.csv"))


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/plain"):
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:9/iris.csv")
            self.end_headers()
            return
        found = self.path.startswith("/iris.csv")
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(IRIS.read_bytes() if found else b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def https(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An HTTPS server with a certificate that SSL_CERT_FILE vouches for."""
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def self_signed(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now, now + datetime.timedelta(hours=1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_file_is_read_over_https_and_a_signature_in_its_address_is_not_shown(https: str) -> None:
    table = source.read(DataSource(source=f"{https}/iris.csv?signature=secret"))
    assert table.sha256 == source.read(DataSource(source=str(IRIS))).sha256
    assert table.source == f"{https}/iris.csv"


def test_what_the_server_has_not_is_said_without_the_signature(https: str) -> None:
    with pytest.raises(InvalidInput, match="the server answered 404 Not Found") as caught:
        source.read(DataSource(source=f"{https}/absent.csv?signature=secret"))
    assert "secret" not in str(caught.value)


def test_a_certificate_that_nobody_vouches_for_is_refused(https: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(InvalidInput, match="CERTIFICATE_VERIFY_FAILED"):
        source.read(DataSource(source=f"{https}/iris.csv"))


def test_a_redirect_to_plain_http_is_not_followed(https: str) -> None:
    with pytest.raises(InvalidInput, match="which is not encrypted"):
        source.read(DataSource(source=f"{https}/plain"))
