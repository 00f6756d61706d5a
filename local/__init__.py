"""The local cloud: starts an emulator of AWS, deploys `template.yaml` into it and serves the API.

Owns processes, ports and the emulator's gaps. Knows nothing of the product: what runs here is the
same template and the same handlers that run on AWS.
"""
