import Foundation
import Testing

@testable import Datasets

/// The path of a fixture; they are written by Fixtures/make_fixtures.py.
func fixture(_ name: String) -> String { Bundle.module.bundlePath + "/Fixtures/" + name }

/// A new folder that is removed after `body`.
func withTemporaryFolder<R>(_ body: (String) throws -> R) throws -> R {
  var template = Array("/tmp/simengine-test-XXXXXX".utf8CString)
  let folder = String(cString: try #require(mkdtemp(&template)))
  defer { try? FileManager.default.removeItem(atPath: folder) }
  return try body(folder)
}

/// The names in a folder, sorted.
func names(in folder: String) throws -> [String] {
  try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
}

/// The sentence with which `body` refuses; records an issue if it does not, or with another kind of error.
func refusal<R>(_ body: () throws -> R, sourceLocation: SourceLocation = #_sourceLocation) -> String {
  do {
    _ = try body()
    Issue.record("was accepted", sourceLocation: sourceLocation)
    return ""
  } catch let error as DataError {
    return error.description
  } catch {
    Issue.record("threw \(error), a DataError was expected", sourceLocation: sourceLocation)
    return ""
  }
}

/// The pattern of the fixtures: 37 i mod 101, minus 50 if signed.
func signedPattern(_ count: Int) -> [Int] { (0..<count).map { 37 * $0 % 101 - 50 } }
func unsignedPattern(_ count: Int) -> [Int] { (0..<count).map { 37 * $0 % 101 } }
func floatPattern(_ count: Int) -> [Double] { signedPattern(count).map { Double($0) / 8 } }

/// The pattern's elements of a NumPy type code such as "f4".
func patternElements(_ code: String, _ count: Int) -> NumericArray.Elements {
  switch code {
  case "u1": .uint8(unsignedPattern(count).map { UInt8($0) })
  case "u2": .uint16(unsignedPattern(count).map { UInt16($0) })
  case "u4": .uint32(unsignedPattern(count).map { UInt32($0) })
  case "u8": .uint64(unsignedPattern(count).map { UInt64($0) })
  case "i1": .int8(signedPattern(count).map { Int8($0) })
  case "i2": .int16(signedPattern(count).map { Int16($0) })
  case "i4": .int32(signedPattern(count).map { Int32($0) })
  case "i8": .int64(signedPattern(count).map { Int64($0) })
  case "f2", "f4": .float32(floatPattern(count).map { Float($0) })
  case "f8": .float64(floatPattern(count))
  default: .uint8((0..<count).map { UInt8($0 % 2) })
  }
}
