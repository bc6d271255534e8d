"""Azure as this product meets it, on this machine: a double of its control plane and of the services behind it.

It is a double, not Azure: what it cannot prove is listed in docs/azure.md.
"""
