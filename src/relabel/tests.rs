//! Rules by what Prometheus' documentation says of them.

use proptest::prelude::*;

use super::*;

fn rule(json: &str) -> Rule {
    Rule::new(serde_json::from_str(json).unwrap()).unwrap()
}

fn labels(pairs: &[(&str, &str)]) -> LabelMap {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn after(rules: &[&str], pairs: &[(&str, &str)]) -> Option<String> {
    let rules: Vec<Rule> = rules.iter().map(|json| rule(json)).collect();
    let mut labels = labels(pairs);
    let stays = relabel(&mut labels, &rules);
    stays.then(|| labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" "))
}

#[test]
fn each_action_does_its_own() {
    let pod = [("__meta_app", "Web"), ("a", "1"), ("b", "2")];
    for (json, wanted) in [
        (r#"{"sourceLabels":["a","b"],"targetLabel":"c"}"#, Some("__meta_app=Web a=1 b=2 c=1;2")),
        (
            r#"{"sourceLabels":["a","b"],"separator":"-","targetLabel":"c"}"#,
            Some("__meta_app=Web a=1 b=2 c=1-2"),
        ),
        (
            r#"{"sourceLabels":["a"],"regex":"(\\d)","targetLabel":"n${1}","replacement":"x$1","action":"Replace"}"#,
            Some("__meta_app=Web a=1 b=2 n1=x1"),
        ),
        (r#"{"sourceLabels":["a"],"regex":"(2)","targetLabel":"c"}"#, Some("__meta_app=Web a=1 b=2")),
        (r#"{"targetLabel":"a","replacement":""}"#, Some("__meta_app=Web b=2")),
        (r#"{"targetLabel":"c","replacement":"fixed"}"#, Some("__meta_app=Web a=1 b=2 c=fixed")),
        (r#"{"sourceLabels":["a"],"targetLabel":"${1}","replacement":"x"}"#, Some("__meta_app=Web a=1 b=2")),
        (r#"{"sourceLabels":["a"],"regex":"1|9","action":"keep"}"#, Some("__meta_app=Web a=1 b=2")),
        (r#"{"sourceLabels":["a"],"regex":"9","action":"keep"}"#, None),
        (r#"{"sourceLabels":["none"],"regex":"","action":"drop"}"#, None),
        (r#"{"sourceLabels":["b"],"regex":"1","action":"drop"}"#, Some("__meta_app=Web a=1 b=2")),
        (r#"{"sourceLabels":["a"],"targetLabel":"b","action":"keepequal"}"#, None),
        (r#"{"sourceLabels":["a"],"targetLabel":"b","action":"dropequal"}"#, Some("__meta_app=Web a=1 b=2")),
        (r#"{"regex":"__meta_(.+)","action":"labelmap"}"#, Some("__meta_app=Web a=1 app=Web b=2")),
        (r#"{"regex":"__.*","action":"labeldrop"}"#, Some("a=1 b=2")),
        (r#"{"regex":"a|b","action":"labelkeep"}"#, Some("a=1 b=2")),
        (
            r#"{"sourceLabels":["__meta_app"],"targetLabel":"c","action":"lowercase"}"#,
            Some("__meta_app=Web a=1 b=2 c=web"),
        ),
        (
            r#"{"sourceLabels":["__meta_app"],"targetLabel":"c","action":"UPPERCASE"}"#,
            Some("__meta_app=Web a=1 b=2 c=WEB"),
        ),
    ] {
        assert_eq!(after(&[json], &pod).as_deref(), wanted, "{json}");
    }
}

#[test]
fn hashmod_is_the_remainder_of_the_last_half_of_the_md5_sum() {
    let hashed = |value: &str, modulus: u64| {
        let json =
            format!(r#"{{"sourceLabels":["a"],"targetLabel":"h","modulus":{modulus},"action":"hashmod"}}"#);
        after(&[&json], &[("a", value)]).unwrap().rsplit_once("h=").unwrap().1.to_owned()
    };
    // md5 of the empty text is d41d8cd98f00b204e9800998ecf8427e.
    let json = r#"{"sourceLabels":["none"],"targetLabel":"h","modulus":1000,"action":"hashmod"}"#;
    assert_eq!(after(&[json], &[]).unwrap(), format!("h={}", 0xe980_0998_ecf8_427e_u64 % 1000));
    // md5 of "a" is 0cc175b9c0f1b6a831c399e269772661.
    assert_eq!(hashed("a", 7), (0x31c3_99e2_6977_2661_u64 % 7).to_string());
    assert_eq!(hashed("a", 1), "0");
}

#[test]
fn rules_go_in_order_and_end_with_the_first_that_drops() {
    let rules = [
        r#"{"sourceLabels":["a"],"targetLabel":"b","replacement":"$1$1"}"#,
        r#"{"sourceLabels":["b"],"regex":"11","action":"keep"}"#,
        r#"{"regex":"a","action":"labeldrop"}"#,
    ];
    assert_eq!(after(&rules, &[("a", "1")]).as_deref(), Some("b=11"));
    assert_eq!(after(&rules, &[("a", "2")]), None);
}

#[test]
fn a_rule_that_cannot_be_followed_is_refused() {
    for (json, message) in [
        (r#"{"action":"rename"}"#, "unknown action \"rename\""),
        (r#"{"sourceLabels":["a"]}"#, "replace needs a targetLabel"),
        (r#"{"action":"lowercase"}"#, "lowercase needs a targetLabel"),
        (r#"{"action":"hashmod","targetLabel":"a"}"#, "hashmod needs a modulus"),
        (r#"{"action":"uppercase","targetLabel":"a b"}"#, "\"a b\" is no name"),
        (r#"{"targetLabel":"a","regex":"("}"#, "regex \"(\""),
    ] {
        let refused = Rule::new(serde_json::from_str(json).unwrap()).unwrap_err().to_string();
        assert!(refused.contains(message), "{json}: {refused}");
    }
}

proptest! {
    #[test]
    fn keep_and_drop_are_opposites_and_labelkeep_and_labeldrop_part_the_labels(
        regex in "[ab.*|]{0,5}", value in "[ab]{0,4}", names in proptest::collection::btree_set("[ab]{1,3}", 0..5),
    ) {
        let of = |action: &str| {
            let spec = RuleSpec {
                source_labels: vec!["v".to_owned()],
                regex: Some(regex.clone()),
                action: Some(action.to_owned()),
                ..RuleSpec::default()
            };
            Rule::new(spec).ok()
        };
        let Some((keep, drop)) = of("keep").zip(of("drop")) else { return Ok(()) };
        let mut one = labels(&[("v", &value)]);
        prop_assert_ne!(relabel(&mut one, &[keep]), relabel(&mut one.clone(), &[drop]));
        let all: LabelMap = names.iter().map(|name| (name.clone(), "x".to_owned())).collect();
        let (mut kept, mut dropped) = (all.clone(), all.clone());
        let (keep, drop) = of("labelkeep").zip(of("labeldrop")).unwrap();
        prop_assert!(relabel(&mut kept, &[keep]) && relabel(&mut dropped, &[drop]));
        prop_assert_eq!(kept.len() + dropped.len(), all.len());
        kept.extend(dropped);
        prop_assert_eq!(kept, all);
    }
}
