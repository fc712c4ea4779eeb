"""Asking HTTP servers: one connection pool, deadlines that hold, bounded sizes, and no redirects.

Nothing here loads httpx until something is asked, or `HttpClient.warm_up` says that something will be.
"""
