use serde_json::{Value, json};

use super::*;

fn refused(body: &Value, read: impl FnOnce(&mut Reader<'_>)) -> Value {
    super::body(body.to_string().as_bytes(), read).expect_err("refused").error
}

#[test]
fn everything_that_is_wrong_with_a_request_is_named() {
    let body = json!({ "a": "", "b": null, "c": "xyz", "d": -1, "e": "maybe", "f": [], "g": {}, "h": 91, "i": "x" });
    let error = refused(&body, |reader| {
        reader.require(&["a", "z"]);
        assert_eq!((reader.text("a"), reader.text("b"), reader.nullable_text("c", 2)), (None, None, None));
        assert_eq!((reader.nullable_count("d"), reader.flag("e"), reader.text("f")), (None, None, None));
        assert_eq!((reader.id("g"), reader.id("y")), (None, None));
        assert_eq!((reader.degrees("h", 90.0), reader.word("i", &[("y", 1)])), (None, None));
        reader.finish();
    });
    assert_eq!(
        error,
        json!({
            "z": ["This field is required."], "a": ["This field may not be blank."],
            "b": ["This field may not be null."], "c": ["Ensure this field has no more than 2 characters."],
            "d": ["Ensure this value is greater than or equal to 0."], "e": ["Must be a valid boolean."],
            "f": ["Not a valid string."], "g": ["Incorrect type. Expected pk value, received dict."],
            "h": ["A number of degrees between -90 and 90 is required."], "i": ["\"x\" is not a valid choice."]
        })
    );
    let keys: Vec<&String> = error.as_object().expect("an object").keys().collect();
    assert_eq!(keys[..2], ["z", "a"], "in the order in which they were found");
    assert_eq!(
        refused(&json!([]), |_| ()),
        json!({ "non_field_errors": "Invalid data. Expected a dictionary, but got list." })
    );
}

#[test]
fn a_request_may_bend_what_somebody_writes_may_not() {
    let object = json!({ "number": "7", "flag": "yes", "text": 5, "degrees": "1.5", "null": null, "more": 1 });
    let object = object.as_object().expect("an object");
    let read = |reader: &mut Reader<'_>| {
        let values = (
            reader.integer("number", 0..=9),
            reader.flag("flag"),
            reader.text("text"),
            reader.degrees("degrees", 90.0),
        );
        reader.nullable_text("null", 9);
        reader.finish();
        values
    };
    let bent = request(object, read).expect("a request");
    assert_eq!(bent, (Some(7), Some(true), Some("5".to_owned()), Some(Some(1.5))));
    let defects: Vec<String> = whole(object, read).expect_err("refused").iter().map(ToString::to_string).collect();
    assert_eq!(
        defects,
        [
            "number: must be a whole number, not a text — write it without quotes",
            "flag: must be true or false, not a text — write it without quotes",
            "text: must be a text, not a whole number — write it in quotes",
            "degrees: must be a number, not a text — write it without quotes",
            "more: there is no such key — write one of number, flag, text, degrees, null"
        ]
    );
}

#[test]
fn what_is_written_alike_everywhere_is_told_in_a_request_with_its_remedy() {
    let inner = |reader: &mut Reader<'_>| {
        reader.object("day", |day| {
            day.flag("open");
            day.finish();
        });
        reader.finish();
    };
    let error = refused(&json!({ "conf": { "day": { "open": 1 } } }), |reader| {
        reader.writing("conf", inner);
    });
    assert_eq!(
        error,
        json!({ "conf": ["day.open: must be true or false, not a whole number — write it without quotes"] })
    );
}

#[test]
fn defects_of_an_object_within_stand_under_its_key() {
    let error = refused(&json!({ "a": { "b": { "n": -1 }, "c": 5 }, "d": 5 }), |reader| {
        reader.object("a", |a| {
            a.object("b", |b| b.nullable_integer("n", 0..=9));
            a.object("c", |_| ());
            a.require(&["e"]);
        });
        reader.object("d", |_| ());
    });
    let no_dictionary = json!({ "non_field_errors": ["Invalid data. Expected a dictionary, but got int."] });
    let of_a = json!({ "b": { "n": ["Ensure this value is greater than or equal to 0."] }, "c": no_dictionary,
                       "e": ["This field is required."] });
    assert_eq!(error, json!({ "a": of_a, "d": no_dictionary }));
}

#[test]
fn the_keys_that_are_read_are_the_schema() {
    let schema = schema(|reader| {
        reader.text_within("title", 9);
        reader.limit("most");
        reader.object("place", |place| place.flag("near"));
    });
    assert_eq!(
        schema,
        json!({ "type": "object", "properties": {
            "title": { "type": "string", "minLength": 1, "maxLength": 9 },
            "most": { "type": ["integer", "null"], "minimum": 0 },
            "place": { "type": "object", "properties": { "near": { "type": "boolean" } } }
        } })
    );
}
