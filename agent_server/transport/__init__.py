"""Frames in, frames out. A frame is the bytes of one JSON-RPC message, without its line ending."""
