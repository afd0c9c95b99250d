//! A body as REST APIs have them: an array of rows.

/// An array of `count` rows, about 250 bytes each, with what is easily lost on the way: 64-bit ids,
/// prices such as `1.10`, escapes, text beyond ASCII.
pub(crate) fn rows(count: usize) -> String {
    let rows: Vec<String> = (0..count).map(row).collect();
    format!("[{}]", rows.join(","))
}

fn row(number: usize) -> String {
    let id = 9_007_199_254_740_993 + number;
    format!(
        r#"{{"id":{id},"customer":"Zoë \"{number}\" Müller","price":1.10,"paid":true,"note":null,"lines":[{{"sku":"A-{number}","count":3}},{{"sku":"B-{number}","count":12}}],"@metadata":{{"href":"http://localhost/rest/orders/{id}","checksum":"A:5d41402a"}}}}"#
    )
}
