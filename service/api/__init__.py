"""The HTTP edge: routes, request bodies, caching headers, errors as problem details."""
