import Testing

@testable import Configuration

@Suite("Paths and extends")
struct PathAndExtendsTests {
  @Test(
    "a path reaches the same place for --set and for reading",
    arguments: [
      ("seed=7", "seed", "7"),
      ("name=trial", "name", "\"trial\""),
      ("stages.0.train.epochs=3", "stages.train.epochs", "3"),
      ("stages.train.epochs=3", "stages.0.train.epochs", "3"),
      ("stages.train-2.epochs=3", "stages.2.train.epochs", "3"),
      ("stages.test.split=train", "stages.1.evaluate.split", "\"train\""),
      ("stages.test.evaluate.split=train", "stages.1.evaluate.split", "\"train\""),
      ("stages.test.label=final", "stages.1.label", "\"final\""),
      ("stages.test.models=['ideal']", "stages.1.models", "[\"ideal\"]"),
      ("stages.test={}", "stages.1.evaluate", "{}"),
      (
        "models.crossbar.hardware.layers.\"layer1.0\".rows=2", "models.crossbar.hardware.layers.\"layer1.0\"",
        "{\"rows\":2}"
      ),
      ("a.b.c=[1, 2,]", "a", "{\"b\":{\"c\":[1,2]}}"),
      ("name=a=b", "name", "\"a=b\""),
    ])
  func setting(option: String, path: String, expected: String) throws {
    let json = try JSON.parse(sampleTexts[1]).setting(option: option)
    #expect(json.value(at: path)?.written() == expected)
  }

  @Test("setting a value changes nothing else")
  func locality() throws {
    let before = try JSON.parse(sampleTexts[1])
    #expect(try before.setting(option: "stages.train.epochs=20") == before)
    #expect(
      try before.setting(option: "stages.train.epochs=21").canonical
        == before.canonical.replacing("\"epochs\":20", with: "\"epochs\":21"))
  }

  @Test(
    "a path that leads nowhere is refused with the nearest name",
    arguments: [
      ("seed", "--set seed  expected path=value"),
      ("=1", "--set =1  expected path=value"),
      ("a..b=1", "--set a..b=1  \"a..b\" is no path; expected keys joined by dots, such as stages.train.epochs"),
      ("stages.7.train=1", "--set stages.7.train=1  stages.7.train: stages has no item 7; its items are 0 … 2"),
      (
        "stages.trian.epochs=1",
        "--set stages.trian.epochs=1  stages.trian.epochs: stages has no item \"trian\"; "
          + "did you mean \"train\"?"
      ),
      (
        "stages.zzz=1",
        "--set stages.zzz=1  stages.zzz: stages has no item \"zzz\"; "
          + "its items are \"train\", \"test\", \"train-2\""
      ),
      ("seed.a=1", "--set seed.a=1  seed.a: \"seed\" is 3, which has nothing inside; set seed itself"),
    ])
  func refusals(option: String, expected: String) throws {
    let json = try JSON.parse(sampleTexts[1])
    do {
      _ = try json.setting(option: option)
      Issue.record("accepted")
    } catch { #expect(error.description == expected) }
  }

  @Test("an error in what --set wrote names the option")
  func optionErrors() throws {
    let json = try JSON.parse(sampleTexts[1]).setting(option: "stages.train.epoch=3")
    let errors = Sample.decode(json).diagnostics.errors
    #expect(
      errors.map(\.description) == [
        "--set stages.train.epoch=3  stages.0.train.epoch: unknown key; did you mean \"epochs\" (whole number, ≥ 1)?"
      ])
  }

  private static let files = [
    "base.json": "{name: 'base', model: {architecture: 'mlp', hidden: [8, 8], hardware: {kind: 'crossbar', rows: 8}}}",
    "middle.json": "{extends: 'base.json',\n seed: 'x', model: {hidden: 4}}",
    "loop.json": "{extends: 'pool.json'}", "pool.json": "{extends: ['base.json', 'loop.json']}",
    "list.json": "[]", "broken.json": "{\n  a: }",
  ]

  private static func load(_ name: String, _ from: Source?) throws(Diagnostic) -> JSON {
    guard let text = files[name] else { throw Diagnostic("there is no file \(quoted(name))") }
    return try JSON.parse(text, file: name)
  }

  @Test("documents are laid over one another key by key; a new kind replaces the old one's keys")
  func extends() throws {
    let top = try JSON.parse(
      "{extends: 'middle.json', seed: 2, model: {hardware: {kind: 'digital'}}}", file: "top.json")
    let json = try top.extended(load: Self.load)
    #expect(
      json == [
        "name": "base", "seed": 2,
        "model": ["architecture": "mlp", "hidden": 4, "hardware": ["kind": "digital"]],
      ])
  }

  @Test("an error in a document beneath names that document's file and line")
  func positions() throws {
    let json = try JSON.parse("{extends: 'middle.json'}", file: "top.json").extended(load: Self.load)
    #expect(
      Sample.decode(json).diagnostics.errors.map(\.headline) == [
        "middle.json:2:8  seed: found \"x\", expected a whole number ≥ 0"
      ])
  }

  @Test(
    "what cannot be extended is refused where it is named",
    arguments: [
      ("'loop.json'", "pool.json:1:25  extends: extends itself: t → loop.json → pool.json → loop.json"),
      ("'none.json'", "t:1:11  extends: there is no file \"none.json\""),
      ("'list.json'", "list.json:1:1  found a list, expected an object"),
      ("'broken.json'", "broken.json:2:6  found } where a value was expected"),
      ("5", "t:1:11  extends: found 5, expected a file's name, or a list of names"),
      ("['base.json', 5]", "t:1:25  extends: found 5, expected a file's name, or a list of names"),
    ])
  func extendsRefusals(value: String, expected: String) throws {
    let json = try JSON.parse("{extends: \(value)}", file: "t")
    do {
      _ = try json.extended(load: Self.load)
      Issue.record("accepted")
    } catch { #expect(error.headline == expected) }
  }
}
