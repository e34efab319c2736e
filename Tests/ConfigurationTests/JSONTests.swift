import Testing

@testable import Configuration

@Suite("JSON")
struct JSONTests {
  @Test(
    "what JSON5 allows is read",
    arguments: [
      ("{a: 1, 'b': 2, \"c\": 3,}", #"{"a":1,"b":2,"c":3}"#),
      ("// opening\n[1, /* two */ 2,]", "[1,2]"),
      ("[+1, .5, 5., 0x1F, -0xff, 1e3]", "[1,0.5,5,31,-255,1000]"),
      ("[Infinity, -Infinity, NaN]", "[null,null,null]"),
      (#"'it\'s "\x41\u00e9\ud83d\ude00" \z\v'"#, "\"it's \\\"Aé😀\\\" z\\u000b\""),
      ("'one \\\nline'", #""one line""#),
      ("\u{FEFF}{\u{A0}größe: true}", #"{"größe":true}"#),
      ("0x8000000000000000", "9.223372036854776e+18"),
      ("[-9223372036854775808, 9007199254740993, 1e400, -0]", "[-9223372036854775808,9007199254740993,null,-0.0]"),
    ])
  func json5(text: String, expected: String) throws {
    #expect(try JSON.parse(text).written() == expected)
  }

  @Test(
    "a text that is no JSON is refused with place and sentence",
    arguments: [
      ("", "t:1:1  the text is empty"),
      ("{\"a\": 1,\n \"a\": 2}", "t:2:2  the key \"a\" stands twice in one object"),
      ("{\"a\": 1\n \"b\": 2}", "t:2:2  found \" where a comma was expected"),
      ("{\"a\" 1}", "t:1:6  found 1 after the key \"a\""),
      ("{\n\"a\": [1, 2", "t:2:6  the text ends inside this list"),
      ("{\"a\": {", "t:1:7  the text ends inside this object"),
      ("[é, 1]", "t:1:2  \"é\" is no value"),
      ("[\"é\", True]", "t:1:7  \"True\" is no value"),
      ("[1] 2", "t:1:5  found 2 after the end of the value"),
      ("[\"abc\n\"]", "t:1:2  the line ends inside this text"),
      ("\"abc", "t:1:1  the file ends inside this text"),
      ("\"\\", "t:1:2  the file ends inside a text"),
      (#""\ud800""#, "t:1:2  half of a surrogate pair"),
      (#""\u12g4""#, "t:1:2  an escape that lacks its 4 hexadecimal digits"),
      (#""\8""#, "t:1:2  an unknown escape in a text"),
      ("[012]", "t:1:2  a number that opens with 0"),
      ("[100k]", "t:1:2  a number with letters behind it"),
      ("[.]", "t:1:2  a number that lacks digits"),
      ("[1e]", "t:1:2  a number whose exponent lacks digits"),
      ("[0x]", "t:1:2  a hexadecimal number that lacks digits"),
      ("[-Inf]", "t:1:2  a number that lacks digits"),
      ("/* abc", "t:1:1  the text ends inside this comment"),
      ("[/ 1]", "t:1:2  a single /"),
      ("{,}", "t:1:2  found , where a key was expected"),
      ("[1,,2]", "t:1:4  found , where a value was expected"),
      ("[\u{1}]", "t:1:2  the control character U+0001 where a value was expected"),
    ])
  func syntaxErrors(text: String, expected: String) {
    #expect(throws: Diagnostic.self) { try JSON.parse(text, file: "t") }
    do { _ = try JSON.parse(text, file: "t") } catch {
      #expect(error.headline == expected)
    }
  }

  @Test("bytes that are no UTF-8 are refused with their offset")
  func invalidUTF8() {
    #expect(throws: Diagnostic.self) { try JSON.parse([0x5B, 0x22, 0xC3, 0x28, 0x22, 0x5D]) }
    do { _ = try JSON.parse([0x5B, 0x22, 0xC3, 0x28, 0x22, 0x5D], file: "t") } catch {
      #expect(error.headline == "t:1:3  not UTF-8: byte 0xc3 at offset 2")
    }
  }

  @Test(
    "strict JSON refuses what only JSON5 allows",
    arguments: [
      "{a: 1}", "['a']", "[1,]", "{\"a\": 1,}", "[+1]", "[.5]", "[5.]", "[0x1]", "[NaN]", "[-Infinity]", "// c\n1",
      "\"\\v\"", "\"\t\"", "\u{FEFF}1", "[\u{A0}1]",
    ])
  func strict(text: String) throws {
    #expect(throws: Diagnostic.self) { try JSON.parse(text, dialect: .strict) }
    _ = try JSON.parse(text)
  }

  @Test("nesting is read to the limit and refused beyond it, however deep")
  func depth() throws {
    func nested(_ depth: Int) -> String { String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
    _ = try JSON.parse(nested(JSON.depthLimit))
    for text in [nested(JSON.depthLimit + 1), String(repeating: "{\"a\":[", count: 1_000_000)] {
      #expect(throws: Diagnostic.self) { try JSON.parse(text) }
    }
  }

  @Test(
    "numbers keep their bits",
    arguments: [0.1, 1e-7, .leastNonzeroMagnitude, 1.7976931348623157e308, 1e16, 123456.789, -0.0, 2.5])
  func doubles(value: Double) throws {
    let read = try JSON.parse(JSON.number(value).written(), dialect: .strict)
    #expect(read.double?.bitPattern == value.bitPattern)
  }

  @Test("pretty text reads back, and keeps short lists and objects on one line")
  func pretty() throws {
    let json: JSON = [
      "name": "a", "short": [1, 2, 3], "empty": [], "none": [:],
      "long": .array((0..<60).map { .integer($0 * 100) }),
      "inner": ["key": ["deep": 1.5, "text": "line\nline"]],
    ]
    let text = json.written(pretty: true)
    #expect(
      text.hasPrefix(
        "{\n  \"name\": \"a\",\n  \"short\": [1, 2, 3],\n  \"empty\": [],\n  \"none\": {},\n  \"long\": [\n    0,"))
    #expect(text.contains(#"  "inner": { "key": { "deep": 1.5, "text": "line\nline" } }"#))
    #expect(text.split(separator: "\n").allSatisfy { $0.count <= 100 })
    #expect(try JSON.parse(text, dialect: .strict) == json)
  }

  @Test("the canonical form knows neither key order nor white space nor the way a number is written")
  func canonical() throws {
    let a = try JSON.parse(#"{ "b": [1, 1e16], "a": {"y": 0.5, "x": 100000}, "é": 1, "Z": 2 }"#)
    let b = try JSON.parse("{Z:2.0, 'a': {x: 1e5, y: .5}, b: [1.0, 10000000000000000], \"\\u00e9\": 1e0}")
    #expect(a.canonical == b.canonical)
    #expect(a == b)
    #expect(a.canonical == #"{"Z":2,"a":{"x":100000,"y":0.5},"b":[1,10000000000000000],"é":1}"#)
  }

  @Test(
    "SHA-256 agrees with FIPS 180-4's examples",
    arguments: [
      ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
      ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
      (
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
      ),
      (
        String(repeating: "a", count: 1_000_000), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
      ),
    ])
  func sha256(message: String, digest: String) {
    #expect(SHA256.hex(of: Array(message.utf8)) == digest)
  }

  @Test("an error shows the line, cut to a readable width, and points at the token")
  func excerpt() throws {
    let start = "{\n  \"größe\":\t[1, 2, oops]\n}"
    do { _ = try JSON.parse(start, file: "a.json") } catch {
      #expect(
        error.description == """
          a.json:2:19  "oops" is no value
             2 |   "größe": [1, 2, oops]
               |                   ^^^^ a text needs quotes: "oops"
          """)
    }
    let long = "[" + String(repeating: "1, ", count: 100_000) + "oops" + String(repeating: ", 1", count: 100_000) + "]"
    do { _ = try JSON.parse(long, file: "a.json") } catch {
      let lines = error.description.split(separator: "\n")
      #expect(lines.count == 3 && lines.allSatisfy { $0.count < 150 })
      #expect(lines[1].hasSuffix("…") && lines[1].contains("…1, ") || lines[1].contains("| …"))
      let caret = try #require(lines[2].firstIndex(of: "^"))
      #expect(lines[1].dropFirst(lines[2].distance(from: lines[2].startIndex, to: caret)).hasPrefix("oops"))
    }
  }
}
