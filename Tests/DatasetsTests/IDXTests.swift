import Testing

@testable import Datasets

@Suite("IDX and gzip")
struct IDXTests {
  @Test("arrays of every type read as NumPy wrote them", arguments: ["u1", "i1", "i2", "i4", "f4", "f8"])
  func types(_ code: String) throws {
    let array = try IDX.read(fixture("idx-\(code).idx"))
    #expect(array == NumericArray(shape: [2, 3, 4], elements: patternElements(code, 24)))
  }

  @Test("a gzipped file reads like the plain one, also in several members", arguments: ["", "-members"])
  func gzipped(_ kind: String) throws {
    let array = try IDX.read(fixture("idx-u1\(kind).idx.gz"))
    #expect(array == NumericArray(shape: [2, 3, 4], elements: patternElements("u1", 24)))
  }

  static let plain: [UInt8] = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]

  @Test(
    "a header that lies is refused with what was found and what was expected",
    arguments: [
      ([], "ends after 0 bytes, the IDX header needs 4"),
      ([0, 0, 8], "ends after 3 bytes"),
      ([1, 0, 8, 1], "begins with the bytes 1, 0"),
      ([0, 0, 10, 1, 0, 0, 0, 0], "element type 10, expected 8, 9, 11, 12, 13 or 14"),
      ([0, 0, 8, 0], "without axes"),
      ([0, 0, 8, 2, 0, 0, 0, 1], "the length of axis 1 needs 4 from byte 8"),
      (Array(plain.dropLast()), "2×3 elements of 1 bytes needs 6 from byte 12: the file is cut short"),
      (plain + [7], "has 19 bytes, its header (2×3) announces 18"),
      ([0, 0, 14, 3] + [UInt8](repeating: 255, count: 12), "more than any memory holds"),
      (
        [0, 0, 8, 3, 0, 0, 0, 0] + [UInt8](repeating: 255, count: 8), "0×4294967295×4294967295 elements, more than any"
      ),
    ] as [([UInt8], String)])
  func lies(_ bytes: [UInt8], _ expected: String) {
    let sentence = refusal { try IDX.parse(bytes, name: "x") }
    #expect(sentence.hasPrefix("x: ") && sentence.contains(expected), "\(sentence)")
  }

  @Test("an array with an axis of length 0 is empty")
  func empty() throws {
    let array = try IDX.parse([0, 0, 8, 2, 0, 0, 0, 0, 255, 255, 255, 255], name: "x")
    #expect(array == NumericArray(shape: [0, 4_294_967_295], elements: .uint8([])))
  }

  @Test("every prefix of a file is refused", arguments: ["idx-i2.idx", "idx-u1.idx.gz"])
  func truncated(_ name: String) throws {
    let bytes = try FileBytes.read(fixture(name))
    for length in 0..<bytes.count {
      #expect(throws: DataError.self) { try IDX.parse(Array(bytes[..<length]), name: name) }
    }
  }

  @Test("damaged, cut, followed or swollen gzip data are refused")
  func badGzip() throws {
    let bytes = try FileBytes.read(fixture("idx-u1.idx.gz"))
    #expect(refusal { try IDX.parse(Array(bytes.dropLast(9)), name: "x") }.contains("end in the middle"))
    #expect(refusal { try IDX.parse(bytes + [0, 1], name: "x") }.contains("2 bytes follow the gzip data"))
    var damaged = bytes
    damaged[bytes.count - 6] ^= 1
    #expect(refusal { try IDX.parse(damaged, name: "x") }.contains("damaged near byte"))
    let bomb = refusal { try IDX.read(fixture("idx-bomb.idx.gz")) }
    #expect(bomb.contains("unpacks to more than the 18 bytes that its own header announces"), "\(bomb)")
    #expect(refusal { try IDX.read(fixture("idx-huge.idx.gz")) }.contains("cut short"))
    #expect(refusal { try Gzip.inflate(bytes, name: "x", limit: 5) }.contains("more than the 5 bytes"))
    #expect(try Gzip.inflate(bytes, name: "x") == FileBytes.read(fixture("idx-u1.idx")))
  }
}
