"""Serving over HTTP: a local model behind the protocol of OpenAI. Needs the extra `serve`."""
