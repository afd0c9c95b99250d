return { response: { status_code: 201 } };
