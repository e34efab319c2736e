import Testing

@testable import Datasets

@Suite("CSV")
struct CSVTests {
  static let table = CSVTable(
    header: ["name", "value"],
    rows: [
      ["plain", "0.1"], ["comma, quote \" and\nline", "-1.7976931348623157e+308"], ["", "5e-324"],
      ["ünï 漢字", "0.3333333333333333"], [" spaces ", "-0.0"],
    ])

  @Test("a table that Python's csv module wrote reads field for field", arguments: ["lf", "crlf"])
  func python(_ ending: String) throws {
    let table = try CSV.read(fixture("table-\(ending).csv"))
    #expect(table == Self.table)
    #expect(
      try table.numbers("value", name: "t") == [
        0.1, -Double.greatestFiniteMagnitude, .leastNonzeroMagnitude, 1.0 / 3, -0.0,
      ])
    #expect(refusal { try table.numbers("x", name: "t") } == "t: has no column \"x\", it has name, value")
    #expect(refusal { try table.numbers("name", name: "t") }.hasPrefix("t: row 1, column name: \"plain\" was found"))
  }

  @Test("a table comes back from both line endings")
  func roundTrip() throws {
    let odd = CSVTable(header: ["\u{feff}a"], rows: [[""], ["\r"], ["\r\n"], ["\"\""], [","], ["e\u{301}"], ["\0"]])
    for table in [Self.table, odd] {
      for ending in [CSV.LineEnding.lf, .crlf] {
        #expect(try CSV.parse(CSV.encode(table, lineEnding: ending), name: "t") == table)
      }
    }
    try withTemporaryFolder { folder in
      try CSV.write(Self.table, to: folder + "/t.csv")
      #expect(try CSV.read(folder + "/t.csv") == Self.table)
    }
  }

  @Test("doubles and floats read back with the same bits")
  func numbers() {
    var state: UInt64 = 42
    for _ in 0..<100_000 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let double = Double(bitPattern: state ^ state >> 29)
      if !double.isNaN { #expect(Double(CSV.number(double))?.bitPattern == double.bitPattern) }
      let float = Float(bitPattern: UInt32(truncatingIfNeeded: state >> 32))
      if !float.isNaN { #expect(Float(CSV.number(float))?.bitPattern == float.bitPattern) }
    }
    #expect(CSV.number(Double.nan) == "nan" && CSV.number(-Double.infinity) == "-inf" && CSV.number(1.0) == "1.0")
    #expect(CSV.number(-Float.nan) == "nan")
  }

  @Test("a byte order mark is passed over, the last line needs no end")
  func tolerance() throws {
    let bytes: [UInt8] = [0xef, 0xbb, 0xbf] + Array("a,b\n1,\"2\"".utf8)
    #expect(try CSV.parse(bytes, name: "t") == CSVTable(header: ["a", "b"], rows: [["1", "2"]]))
    #expect(CSVTable(header: ["a"], rows: [["1"]]).column("a") == ["1"])
  }

  @Test(
    "a table that is not one is refused by line",
    arguments: [
      ("", "t: is empty"),
      ("a,b\n1\n", "t: line 2 has 1 fields, the header has 2"),
      ("a,b\n1,2\n\n", "t: line 3 has 1 fields"),
      ("a,b\n\"x\ny\",2\n1,2,3", "t: line 4 has 3 fields"),
      ("a\nx\"y", "t: line 2: a quote stands inside"),
      ("a\n\"x\"y", "t: line 2: byte 121 was found after a field"),
      ("a\rb", "t: line 1: byte 13 was found"),
      ("a\n\"x\ny", "t: a quoted field that begins in line 2 does not end"),
    ])
  func refused(_ text: String, _ expected: String) {
    let sentence = refusal { try CSV.parse(Array(text.utf8), name: "t") }
    #expect(sentence.hasPrefix(expected), "\(sentence)")
  }

  @Test("bytes that are not UTF-8 are refused")
  func encoding() {
    #expect(refusal { try CSV.parse([0x61, 0x0a, 0xff], name: "t") } == "t: line 2: a field is not UTF-8 text")
  }
}
