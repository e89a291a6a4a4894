"""The vendor's side: signing license and machine files, as Keygen would.

    >>> from inspire_auth.issue import SigningKey, sign
    >>> key = SigningKey.generate()
    >>> file = sign(key, {"id": "l1", "key": "ABCD-EFGH", "fingerprint": "9c1f..."})
"""

from ._inspire_auth import SigningKey, sign

__all__ = ["SigningKey", "sign"]
