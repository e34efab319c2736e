import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

@Suite("safetensors")
struct SafetensorsTests {
  @Test("every type reads as NumPy wrote it, with the metadata and the header's order")
  func types() throws {
    let file = try Safetensors.read(fixture("types.safetensors"))
    let codes = [
      "F64": "f8", "F32": "f4", "F16": "f4", "BF16": "f4", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1",
      "U64": "u8",
      "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "b1",
    ]
    for (type, code) in codes {
      #expect(file["a.\(type)"] == NumericArray(shape: [2, 3, 4], elements: patternElements(code, 24)), "\(type)")
    }
    #expect(file.tensors.count == 14 && file.names.first == "a.F64" && file.names.last == "empty")
    #expect(file.tensors[1].type == "F32")
    #expect(file["empty"]?.shape == [0, 3] && file["nothing"] == nil)
    #expect(file.metadata == ["format": "pt", "note": "über"])
  }

  @Test("data may lie in another order than the header names them")
  func order() throws {
    let file = try Safetensors.read(fixture("reversed.safetensors"))
    #expect(file.names == ["b", "a", "c"])
    #expect(file["b"]?.floats == [3, 4] && file["a"]?.floats == [2] && file["c"]?.floats == [1])
    #expect(file["a"]?.shape == [])
  }

  @Test("NaN is refused with the tensor's name when asked, and kept otherwise")
  func finite() throws {
    #expect(try Safetensors.read(fixture("nan.safetensors"))["w"]?.firstNonFinite == 2)
    #expect(
      refusal { try Safetensors.read(fixture("nan.safetensors"), finite: true) }
        .hasSuffix("tensor w holds NaN or infinity at element 2, finite values were expected"))
  }

  @Test("what is written comes back, in order, aligned, and with the same bytes every time")
  func roundTrip() throws {
    let tensors: [Safetensors.NamedArray] = [
      .init("state", [1, 2, 3] as [UInt8]), .init("fc1.weight", Tensor(shape: [2, 2], values: [1, .nan, -0.0, 4])),
      .init("größe \"x\"\n", [0.1, -.leastNonzeroMagnitude]), .init("step", [Int.min, 7]), .init("none", [] as [UInt8]),
      .init("half", NumericArray(shape: [], elements: .int16([-3]))),
    ]
    let metadata = ["z": "1", "a": "2\u{1f}"]
    let bytes = try Safetensors.encode(tensors, metadata: metadata)
    for _ in 0..<5 { #expect(try Safetensors.encode(tensors, metadata: metadata) == bytes) }
    let file = try Safetensors.parse(bytes, name: "x")
    #expect(file.names == tensors.map(\.name) && file.metadata == metadata)
    for tensor in tensors where tensor.name != "fc1.weight" { #expect(file[tensor.name] == tensor.array) }
    #expect(file["fc1.weight"]?.floats.map(\.bitPattern) == tensors[1].array.floats.map(\.bitPattern))
    try withTemporaryFolder { folder in
      try Safetensors.write(tensors, metadata: metadata, to: folder + "/x")
      #expect(try FileBytes.read(folder + "/x") == bytes)
    }
    let empty = try Safetensors.parse(Safetensors.encode([]), name: "x")
    #expect(empty.tensors.isEmpty && empty.metadata.isEmpty)
    #expect(bytes.count % 1 == 0 && (bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }) % 8 == 0)
    for twice in [[tensors[0], tensors[0]], [.init("__metadata__", [1] as [UInt8])]] {
      #expect(refusal { try Safetensors.encode(twice) }.contains("two tensors of this name"))
    }
  }

  static func file(_ header: String, data: Int = 0) -> [UInt8] {
    withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) } + Array(header.utf8)
      + [UInt8](repeating: 0, count: data)
  }

  static func entry(_ fields: String) -> String { "{\"w\": {\(fields)}}" }

  @Test(
    "a header that lies is refused",
    arguments: [
      ("[]", 0, "does not begin with {"),
      ("{\"w\": }", 0, "x (header):1:"),
      ("{\"w\": {}, \"w\": {}}", 0, "x (header):1:"),
      ("{\"__metadata__\": 1}", 0, "__metadata__ is not an object"),
      ("{\"__metadata__\": {\"a\": 1}}", 0, "__metadata__.a is not a text"),
      ("{\"w\": 1}", 0, "tensor w is not described by an object"),
      (entry("\"x\": 1"), 0, "tensor w has the unknown key \"x\""),
      (entry(""), 0, "tensor w has no dtype"),
      (entry("\"dtype\": \"F8_E4M3\""), 0, "tensor w has the dtype F8_E4M3, expected one of BF16, BOOL, F16"),
      (entry("\"dtype\": \"F32\""), 0, "has no shape"),
      (entry("\"dtype\": \"F32\", \"shape\": [-1]"), 0, "has no shape"),
      (entry("\"dtype\": \"F32\", \"shape\": [1.5]"), 0, "has no shape"),
      (entry("\"dtype\": \"F32\", \"shape\": [1]"), 4, "has no data_offsets"),
      (entry("\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 0]"), 4, "has no data_offsets"),
      (entry("\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4, 8]"), 4, "has no data_offsets"),
      (
        entry("\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 4]"), 4,
        "from 0 to 4, 4 bytes; its shape 2 of F32 takes 8"
      ),
      (
        entry("\"dtype\": \"F32\", \"shape\": [4611686018427387904, 4], \"data_offsets\": [0, 0]"), 0,
        "more than any memory"
      ),
      (
        entry("\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]"), 3,
        "take 4 bytes, 3 follow the header: the file is cut"
      ),
      (entry("\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]"), 5, "take 4 bytes, 5 follow the header"),
      (
        entry("\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]"), 8,
        "begins at 4, leaves a hole before it: 0 was"
      ),
      (
        "{\"a\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[0,3]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,4]}}",
        4, "tensor b begins at 2, overlaps the tensor before it: 3 was expected"
      ),
    ])
  func lies(_ header: String, _ data: Int, _ expected: String) {
    let sentence = refusal { try Safetensors.parse(Self.file(header, data: data), name: "x") }
    #expect(sentence.hasPrefix("x") && sentence.contains(expected), "\(sentence)")
  }

  @Test("a header longer than the file, a bool of 2 and every prefix are refused")
  func otherLies() throws {
    let sentence = refusal { try Safetensors.parse([255, 255, 255, 255, 255, 255, 255, 255, 123], name: "x") }
    #expect(sentence == "x: announces a header of 18446744073709551615 bytes, expected at most the 1 there are")
    #expect(refusal { try Safetensors.parse([1, 2], name: "x") }.contains("ends after 2 bytes"))
    var bytes = Self.file(Self.entry("\"dtype\": \"BOOL\", \"shape\": [2], \"data_offsets\": [0, 2]"), data: 2)
    bytes[bytes.count - 1] = 2
    #expect(
      refusal { try Safetensors.parse(bytes, name: "x") }.contains("tensor w: element 1 of type BOOL is the byte 2"))
    let whole = try FileBytes.read(fixture("reversed.safetensors"))
    for length in 0..<whole.count {
      #expect(throws: DataError.self) { try Safetensors.parse(Array(whole[..<length]), name: "x") }
    }
  }

  /// The folder of shared data that may lie beside the checkout.
  static let shared = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../../shared/data")
    .standardized.path

  @Test(
    "a network that PyTorch saved reads whole",
    .enabled(
      if: FileManager.default.fileExists(atPath: shared + "/embed/models/mtcnn.safetensors"),
      "SKIPPED: ../shared/data is not beside the checkout"))
  func network() throws {
    let file = try Safetensors.read(Self.shared + "/embed/models/mtcnn.safetensors", finite: true)
    #expect(file.tensors.count == 50)
    #expect(file["pnet.conv1.weight"]?.shape == [10, 3, 3, 3])
    let again = try Safetensors.encode(file.tensors.map { .init($0.name, $0.array) }, metadata: file.metadata)
    #expect(try Safetensors.parse(again, name: "again").tensors == file.tensors)
  }

  @Test(
    "twenty CIFAR-10 test images read as a set",
    .enabled(
      if: FileManager.default.fileExists(atPath: shared + "/package-only/cifar10-first20-test.bin"),
      "SKIPPED: ../shared/data is not beside the checkout"))
  func cifar() throws {
    let records = try CIFAR.read([Self.shared + "/package-only/cifar10-first20-test.bin"], .cifar10)
    // The first images of the official test set: cat, ship, ship, airplane, frog.
    #expect(Array(records.labels.prefix(5)) == [3, 8, 8, 0, 6])
    #expect(Array(records.pixels.prefix(3)) == [158, 112, 49])
  }
}
