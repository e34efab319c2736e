import LinearAlgebra
import Testing

@testable import Datasets

@Suite(".npy")
struct NpyTests {
  static let codes = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]

  @Test(
    "every type, byte order and layout reads as NumPy wrote it", arguments: codes,
    ["little-C", "little-F", "big-C", "big-F"])
  func types(_ code: String, _ layout: String) throws {
    let array = try Npy.read(fixture("npy-\(code)-\(layout).npy"))
    #expect(array == NumericArray(shape: [2, 3, 4], elements: patternElements(code, 24)))
  }

  @Test("format versions 1 to 3 read alike", arguments: 1...3)
  func versions(_ version: Int) throws {
    let array = try Npy.read(fixture("npy-version-\(version).npy"))
    #expect(array == NumericArray(shape: [2, 3, 4], elements: patternElements("f4", 24)))
  }

  @Test("single values, vectors and empty arrays read")
  func shapes() throws {
    #expect(try Npy.read(fixture("npy-scalar.npy")) == NumericArray(shape: [], elements: .float64([2.5])))
    #expect(try Npy.read(fixture("npy-vector.npy")) == NumericArray(shape: [5], elements: patternElements("f8", 5)))
    #expect(try Npy.read(fixture("npy-empty.npy")) == NumericArray(shape: [3, 0, 2], elements: .float32([])))
  }

  @Test("half precision is exact: subnormals, the largest, infinities, NaN, signed zero")
  func halves() throws {
    let halves = try Npy.read(fixture("npy-half-specials.npy")).floats
    let singles = try Npy.read(fixture("npy-half-specials-as-f4.npy")).floats
    #expect(halves.map(\.bitPattern) == singles.map(\.bitPattern))
  }

  @Test("what is written is byte for byte what NumPy writes", arguments: codes.filter { $0 != "f2" && $0 != "b1" })
  func bytes(_ code: String) throws {
    let path = fixture("npy-\(code)-little-C.npy")
    #expect(Npy.encode(try Npy.read(path)) == (try FileBytes.read(path)))
  }

  @Test("scalars, vectors and empty arrays are written as NumPy writes them", arguments: ["scalar", "vector", "empty"])
  func smallBytes(_ name: String) throws {
    let path = fixture("npy-\(name).npy")
    #expect(Npy.encode(try Npy.read(path)) == (try FileBytes.read(path)))
  }

  @Test("tensors and matrices come back from a file with the same bits")
  func roundTrip() throws {
    try withTemporaryFolder { folder in
      let tensor = Tensor(shape: [2, 2], values: [1, -0.0, .infinity, 0.1])
      try Npy.write(tensor, to: folder + "/t.npy")
      #expect(try Npy.read(folder + "/t.npy").tensor == tensor)
      let matrix = Matrix(rows: 1, columns: 3, values: [1e-300, .pi, -.leastNonzeroMagnitude])
      try Npy.write(matrix, to: folder + "/m.npy")
      #expect(try Npy.read(folder + "/m.npy").matrix("m") == matrix)
      #expect(
        refusal { try NumericArray(Tensor(shape: [3])).matrix("v.npy") }
          == "v.npy: has the shape 3, a matrix (two axes) was expected")
    }
  }

  static func file(_ header: String, data: Int = 0, version: (UInt8, UInt8) = (1, 0)) -> [UInt8] {
    let length = header.utf8.count
    return Npy.magic + [version.0, version.1, UInt8(length & 255), UInt8(length >> 8)] + Array(header.utf8)
      + [UInt8](repeating: 0, count: data)
  }

  @Test("quotes, order, spaces and the L of Python 2 in a header are free")
  func freedom() throws {
    let header = "{\"shape\" : ( 2L,2 ,) ,\n'fortran_order':True, 'descr':'>f4'}  \n"
    #expect(try Npy.parse(Self.file(header, data: 16), name: "x").shape == [2, 2])
  }

  @Test(
    "a header that is not exactly right is refused",
    arguments: [
      ("", "its end at place 0 where \"{\""),
      ("{}", "lacks descr, fortran_order, shape"),
      ("{'descr': '<f4', 'fortran_order': False}", "lacks shape"),
      ("{'descr': '<f4', 'descr': '<f4'", "the key 'descr' twice"),
      ("{'other': 1}", "unknown key 'other'"),
      ("{descr: '<f4'}", "a key in quotes"),
      ("{'descr' '<f4'}", "where \":\""),
      ("{'descr': '<f4", "a closing quote"),
      ("{'descr': '\\x41'}", "a plain character"),
      ("{'descr': '<f4' 'shape': ()}", "where \"}\""),
      ("{'fortran_order': true}", "True or False"),
      ("{'shape': (3)}", "where \",\""),
      ("{'shape': (3,,)}", "the length of an axis"),
      ("{'shape': (-3,)}", "the length of an axis"),
      ("{'shape': (99999999999999999999,)}", "longer than any memory"),
      ("{'shape': (" + String(repeating: "1,", count: 65) + ")}", "more than 64 axes"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (0,)} x", "where its end was expected"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", "more than any memory holds"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807, 9)}", "more than any memory holds"),
      ("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}", "the file is cut short"),
      ("{'descr': 'f4', 'fortran_order': False, 'shape': ()}", "elements of type 'f4'"),
      ("{'descr': '|f4', 'fortran_order': False, 'shape': ()}", "elements of type '|f4'"),
      ("{'descr': '', 'fortran_order': False, 'shape': ()}", "elements of type ''"),
    ])
  func badHeaders(_ header: String, _ expected: String) {
    let sentence = refusal { try Npy.parse(Self.file(header), name: "x") }
    #expect(sentence.hasPrefix("x: ") && sentence.contains(expected), "\(sentence)")
  }

  @Test("types that are not plain numbers are refused by name")
  func otherTypes() {
    #expect(refusal { try Npy.read(fixture("npy-complex.npy")) }.contains("elements of type '<c8', expected float"))
    #expect(refusal { try Npy.read(fixture("npy-text.npy")) }.contains("'<U2'"))
    #expect(refusal { try Npy.read(fixture("npy-object.npy")) }.contains("'|O'"))
    #expect(refusal { try Npy.read(fixture("npy-record.npy")) }.contains("holds records"))
  }

  @Test("wrong magic, versions, lengths, booleans and text are refused")
  func otherLies() throws {
    let good = "{'descr': '|b1', 'fortran_order': False, 'shape': (2,)}"
    #expect(refusal { try Npy.parse(Array("NUMPY".utf8), name: "x") }.contains("is not an .npy file"))
    #expect(refusal { try Npy.parse(Self.file(good, data: 2, version: (4, 0)), name: "x") }.contains("version 4.0"))
    #expect(refusal { try Npy.parse(Self.file(good, data: 2, version: (1, 1)), name: "x") }.contains("version 1.1"))
    #expect(refusal { try Npy.parse(Self.file(good, data: 3), name: "x") }.contains("has 3 bytes of data"))
    var bool = Self.file(good, data: 2)
    bool[bool.count - 1] = 2
    #expect(refusal { try Npy.parse(bool, name: "x") }.contains("element 1 of a bool array is the byte 2"))
    var text = Self.file(good, data: 2)
    text[text.firstIndex(of: UInt8(ascii: "d"))!] = 0xff
    #expect(refusal { try Npy.parse(text, name: "x") }.contains("not UTF-8"))
    let whole = try FileBytes.read(fixture("npy-f4-big-F.npy"))
    for length in 0..<whole.count {
      #expect(throws: DataError.self) { try Npy.parse(Array(whole[..<length]), name: "x") }
    }
  }
}
