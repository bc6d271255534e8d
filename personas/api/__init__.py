"""`/api/v1/`: what pages do, for programs. A route parses, calls one selector or service, and translates.

Routers of personas, images, faces, labels, groups, commands, events and jobs are here, those of uploads and models
beside what they call (`ingest/api.py`, `training/api.py`); `faceproject/api.py` puts them together.
"""
