json.next = true;
