"""OLLAMA_HOST in every form that Ollama and its client take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmroute.backends.ollama.address import Address, read_address
from pytest_llmroute.errors import UserError

FORMS = {
    "": "http://127.0.0.1:11434",
    "  ": "http://127.0.0.1:11434",
    "1.2.3.4": "http://1.2.3.4:11434",
    ":56789": "http://127.0.0.1:56789",
    "56789": "http://127.0.0.1:56789",
    "1.2.3.4:56789": "http://1.2.3.4:56789",
    "http://1.2.3.4": "http://1.2.3.4:80",
    "https://1.2.3.4": "https://1.2.3.4:443",
    "HTTPS://example.com:56789": "https://example.com:56789",
    "example.com": "http://example.com:11434",
    "example.com/": "http://example.com:11434",
    "example.com/path": "http://example.com:11434/path",
    "https://example.com:56789/a/b/": "https://example.com:56789/a/b",
    "http://": "http://127.0.0.1:80",
    "::1": "http://[::1]:11434",
    "[::1]": "http://[::1]:11434",
    "[2001:db8::1]:56789/path": "http://[2001:db8::1]:56789/path",
    "0.0.0.0": "http://127.0.0.1:11434",
    "http://0.0.0.0:1234": "http://127.0.0.1:1234",
    "[::]:1234": "http://[::1]:1234",
    "0": "http://127.0.0.1:11434",
    '"localhost:1"': "http://localhost:1",
    "http://ann:secret@host:1/x": "http://host:1/x",
    "my_host-2.local": "http://my_host-2.local:11434",
}


@pytest.mark.parametrize(("text", "url"), FORMS.items())
def test_each_form_has_its_url(text: str, url: str) -> None:
    assert read_address(text).url == url


@pytest.mark.parametrize("text", [text for text in FORMS if text.strip() and "0.0.0" not in text and text not in
                                  ("0", "56789", "[::]:1234", "http://", '"localhost:1"', "::1", "HTTPS://example.com:56789",
                                   "http://ann:secret@host:1/x")])  # fmt: skip
def test_the_official_client_reads_it_the_same(text: str) -> None:
    client = pytest.importorskip("ollama._client")
    assert client._parse_host(text) == FORMS[text]


@pytest.mark.parametrize(
    "text",
    [
        "ftp://host",
        "host:port",
        "host:0",
        "host:65536",
        "host:123456",
        "[::1",
        "[host]",
        "a b",
        "ho\x1b[31mst",
        "::1::2",
    ],
)
def test_what_is_no_address_is_told_by_one_clean_block(text: str) -> None:
    with pytest.raises(UserError, match=r"OLLAMA_HOST: .* is no address of a server") as caught:
        read_address(text)
    assert all(line.isprintable() for line in str(caught.value).splitlines())


def test_a_password_is_never_shown() -> None:
    address = read_address("https://ann:secret@host")
    assert address.user == "ann:secret"
    assert "secret" not in address.url + repr(address)
    with pytest.raises(UserError) as caught:
        read_address("ftp://ann:secret@host")
    assert "secret" not in str(caught.value)


def test_this_machine_is_known_for_what_it_is() -> None:
    assert all(
        read_address(text).loopback for text in ("", "0.0.0.0", "127.0.0.2:1", "[::1]:1", "localhost", "a.localhost")
    )
    assert not any(read_address(text).loopback for text in ("192.168.0.1", "localhost.example.com", "[2001:db8::1]"))


HOSTS = st.from_regex(r"[a-z][a-z0-9-]{0,10}(\.[a-z]{2,5})?", fullmatch=True) | st.ip_addresses().map(str)
ADDRESSES = st.builds(
    Address, st.sampled_from(["http", "https"]), HOSTS, st.integers(1, 65535),
    st.from_regex(r"(/[a-z0-9]{1,5}){0,2}", fullmatch=True),
).filter(lambda address: address.host not in ("0.0.0.0", "::"))  # fmt: skip


@given(ADDRESSES)
def test_an_address_survives_being_written_and_read(address: Address) -> None:
    assert read_address(address.url) == address
    assert read_address(read_address(address.url).url) == address


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_clean_error(text: str) -> None:
    try:
        address = read_address(text)
    except UserError:
        return
    assert read_address(address.url) == Address(address.scheme, address.host, address.port, address.path)
    assert address.url.isprintable()
    assert "\n" not in address.url
