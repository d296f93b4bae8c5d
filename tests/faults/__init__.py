"""What becomes of a deployment when its process, its server or the network between them goes.

A proxy that knows the wire protocol stands between migsafe and the server. It counts the requests,
and lets one fault happen at one of them.
"""
