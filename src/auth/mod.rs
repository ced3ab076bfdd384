//! Who asks (front proxy, client certificate, bearer token) and may they (access review), with caches.
