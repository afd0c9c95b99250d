event.response.headers['X-Seen'] = String(g.shared.seen);
