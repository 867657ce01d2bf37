"""Reading videos exactly: opening untrusted files, indexing frames, decoding, proxies, and the packets of a clip."""
