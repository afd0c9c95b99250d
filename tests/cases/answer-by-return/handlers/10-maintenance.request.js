return { maintenance: true };
