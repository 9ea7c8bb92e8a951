//! What every HTTP face of ours needs once: the listener with its bounds, security
//! headers, cookies, form tokens, query strings. It knows neither SQL nor any rule of
//! its hosts.
