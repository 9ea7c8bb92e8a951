"""Leads api.veracode.com to the platform under test, around unmodified clients.

Python imports this by itself when its folder is on PYTHONPATH. veracode-api-py
has no setting for another host, and sends in a way that ignores
REQUESTS_CA_BUNDLE: so the name is resolved elsewhere and the default trust is
the platform's authority.
"""

import os
import socket

import certifi

certifi.where = lambda: os.environ["REQUESTS_CA_BUNDLE"]

_resolve = socket.getaddrinfo


def _redirected(host, port, *args, **kwargs):
    if host == "api.veracode.com" and int(port) == 443:
        host, port = "127.0.0.1", int(os.environ["PLATFORM_PORT"])
    return _resolve(host, port, *args, **kwargs)


socket.getaddrinfo = _redirected
